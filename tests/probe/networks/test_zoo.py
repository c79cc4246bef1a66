"""Networks by name, and their weights: loaded without running code, or refused with what is wrong."""

import pickle
import sys

import pytest
import torch
from torch import nn

from cnn_probe.networks.zoo import Normalised, load_function, load_model


def test_a_factory_and_its_weights(here):
    path = list(sys.path)
    made = load_model("own_networks:make").network
    for wrapped in (made.state_dict(), {"model": made.state_dict(), "epoch": 3}, nn.DataParallel(made).state_dict()):
        torch.save(wrapped, here / "weights.pt")
        again = load_model("own_networks:make", here / "weights.pt")
        assert torch.equal(again.network[0].weight, made[0].weight)
        assert again.preprocess is None
    assert isinstance(load_model("own_networks:ready").network, nn.Sequential)
    assert load_function("own_networks:halve")(torch.ones(1)).item() == 0.5
    assert sys.path == path


def test_torchvisions_networks_come_with_their_normalisation_and_the_same_random_weights():
    pytest.importorskip("torchvision")
    before = torch.random.get_rng_state()
    first, second = (load_model("torchvision:squeezenet1_1", random=True) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert repr(first.preprocess) == "Normalised((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))"
    pictures = torch.rand(2, 3, 4, 4)
    expected = (pictures[:, 1] - 0.456) / 0.224
    torch.testing.assert_close(first.preprocess(pictures)[:, 1], expected)
    assert Normalised((0.5,), (0.5,))(torch.ones(1, 1, 2, 2)).unique().tolist() == [1.0]


@pytest.mark.parametrize(
    ("name", "how", "error", "said"),
    [
        ("resnet18", {}, ValueError, "must be torchvision:NAME, timm:NAME or package.module:factory"),
        (
            "torchvision:resnet18",
            {},
            ValueError,
            "has no weights: pass weights=, a file of them, or random=True to mean random ones",
        ),
        ("torchvision:resnet19", {"random": True}, ValueError, "torchvision has no model 'resnet19'"),
        ("own_networks:none", {}, ValueError, "module 'own_networks' has no 'none'"),
        ("own_networks:wrong", {}, ValueError, r"own_networks:wrong gives a int, not a torch\.nn\.Module"),
        ("no_such_module:make", {}, ImportError, "give a module that can be imported from here"),
        ("own_networks:make", {"weights": "none.pt"}, FileNotFoundError, "there is no file none.pt with weights"),
    ],
)
def test_what_cannot_be_is_one_error(here, name, how, error, said):
    with pytest.raises(error, match=said):
        load_model(name, **how)
    with pytest.raises(ValueError, match="own_networks:number is a int, not a function"):
        load_function("own_networks:number")


WHOLE = r"^odd\.pt holds a whole model, or is no file of weights, .*: torch\.save\(model\.state_dict\(\), PATH\)$"


class Harm:
    def __reduce__(self):
        return (open, ("harmed", "w"))


def test_weights_of_another_network_or_of_no_network_are_refused(here):
    small = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 6))
    torch.save(small.state_dict(), "odd.pt")
    with pytest.raises(ValueError, match=r"odd\.pt is of another network: it has in another shape 3\.bias, 3\.weight"):
        load_model("own_networks:make", "odd.pt")
    torch.save(small[:1].state_dict(), "odd.pt")
    with pytest.raises(ValueError, match=r"it lacks 3\.bias, 3\.weight"):
        load_model("own_networks:make", "odd.pt")
    torch.save([1, 2], "odd.pt")
    with pytest.raises(ValueError, match="does not hold a network's state"):
        load_model("own_networks:make", "odd.pt")
    torch.save(small, "odd.pt")
    with pytest.raises(ValueError, match=WHOLE):
        load_model("own_networks:make", "odd.pt")
    torch.save(small.state_dict(), "odd.pt")
    (here / "odd.pt").write_bytes((here / "odd.pt").read_bytes()[:-100])
    with pytest.raises(ValueError, match=WHOLE):
        load_model("own_networks:make", "odd.pt")
    (here / "odd.pt").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=WHOLE):
        load_model("own_networks:make", "odd.pt")
    (here / "odd.pt").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(ValueError, match=WHOLE):
        load_model("own_networks:make", "odd.pt")
    assert not (here / "harmed").exists()
