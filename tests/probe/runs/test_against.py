"""``cnn-probe probe --against``: a second network on the same pictures, beside the first, and compared."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from pages import SVG, addresses_in, document_in, labels_in, timeless, words_of

from cnn_probe import ProbeResult, cli, compare
from cnn_probe.data.picture_folder import PictureFolder
from cnn_probe.measures.comparing.stability import refits
from cnn_probe.networks.zoo import load_model
from cnn_probe.probing.recording import record
from cnn_probe.runs import against_run, probe_run
from cnn_probe.runs.against_run import load_against
from cnn_probe.runs.probe_plan import ProbePlan
from cnn_probe.runs.saying import SAID

PRETRAINED = """
import torch
from torch import nn
from own_networks import deep

def trained():
    network = deep()
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(torch.linspace(-1, 1, value.numel()).reshape(value.shape))
    return network

def half_trained():
    network = deep()
    with torch.no_grad():
        network[0].weight.copy_(torch.linspace(-1, 1, 108).reshape(4, 3, 3, 3))
    return network

def above_zero():
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 4), nn.ReLU())

def below_zero():
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 4), nn.GELU())
"""


@pytest.fixture
def weights(here):
    """A file of weights for ``own_networks:deep``, and a module of networks that come with theirs."""
    (here / "own_trained.py").write_text(PRETRAINED)
    generator = torch.Generator().manual_seed(5)
    network = load_model("own_networks:deep").network
    state = {name: torch.randn(value.shape, generator=generator) for name, value in network.state_dict().items()}
    torch.save(state, here / "lr=0.1.pt")
    return "lr=0.1.pt"


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_untrained_network_stands_beside_the_trained_one(here, command, weights, capsys):
    asked = command("--weights", weights, "--ranks", "2,3", "--against", "random", "--store", "kept")
    assert cli.main(asked) == 0
    said = capsys.readouterr().out
    assert "16 pictures, 2 layers, against random: their activations take" in said
    page = here / "out" / "index.html"
    words, found = words_of(page), {one["label"]: one for one in document_in(page)["results"]}
    assert "Held against the same network, untrained." in words
    assert words.count("patterns (there: the same network, untrained);") == 2
    both = [f"rank {rank}{which}" for rank in (2, 3) for which in ("", ": the same network, untrained")]
    assert labels_in(page) == both, "the second network stands beside the first"
    for rank in (2, 3):
        folder = here / "out" / f"rank-{rank}"
        for name in ("latent-images.png", "walk.png", "inputs.png"):
            assert (folder / "against" / name).stat().st_size > 3000
        a, b = ProbeResult.load(folder), ProbeResult.load(folder / "against")
        assert b.F.shape == (16, rank)
        assert a.provenance["data"] == b.provenance["data"]
        assert a.provenance["network"] != b.provenance["network"]
        untrained = load_model("own_networks:deep", random=True, seed=1).network
        assert ProbeResult.load(folder / "against", network=untrained).network is untrained
        compared = rows_of(folder / "comparison.csv")
        similarity = compare(a, b).matching.cosines
        for row in compared:
            if row["a"]:
                assert float(row["similarity"]) == pytest.approx(similarity[int(row["a"])])
            assert float(row["own least"]) <= float(row["own most"])
        blocks = {row["block"] for row in rows_of(folder / "comparison-units.csv")}
        assert blocks == {"1", "1 (negative)", "3", "3 (negative)"}
        assert [row["block"] for row in rows_of(folder / "comparison-errors.csv")] == list(a.shapes)
        assert (folder / "against" / "residuals.csv").exists()
        own, second = (found[f"rank {rank}{which}"] for which in ("", ": the same network, untrained"))
        for part, result in ((own, a), (second, b)):
            np.testing.assert_array_equal(part["inputs"]["F"], result.F.astype(np.float32))
            assert part["rmse"] == pytest.approx(result.model.rmse_)
        beside = own["comparison"]
        assert beside["with"] == "the same network, untrained"
        assert [f"{one}" for one in beside["factors"]["verdict"]] == [row["verdict"] for row in compared]
        assert beside["latent"].shape[0] == rank, "its latent images stand beside those of the first"
        assert second["comparison"] is None
    assert addresses_in(page) == {SVG}


def test_the_comparison_is_that_of_compare_with_three_starts_of_each(
    here,
    command,
    photos,
    undrawn,
    weights,
    monkeypatch,
):
    heard = []
    monkeypatch.setattr(
        against_run, "compare", lambda *given, **how: heard.append((given, how)) or compare(*given, **how)
    )
    assert cli.main(command("--weights", weights, "--ranks", "2", "--against", "own_networks:flat=random")) == 0
    ((a, b), how), *more = heard
    assert not more
    assert [len(how[name]) for name in ("starts_a", "starts_b")] == [3, 3]
    assert (how["X_a"].names, how["X_b"].names) == (a.model.layout_.names, b.model.layout_.names)
    X = record(a.prepare(PictureFolder(photos, 16))).X
    for mine, other in zip(how["starts_a"], refits(X, a.model, 3, random_state=1), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert not np.array_equal(how["starts_a"][0], how["starts_b"][0])
    page = here / "out" / "index.html"
    assert "Held against own_networks:flat, untrained." in words_of(page)
    found = document_in(page)["results"][0]["comparison"]
    assert found["skipped"]["1"].startswith("only a has it")
    assert (found["n_own"], found["n_across"]) == (3, 4), "the fit of the other network and its three starts"


def test_networks_that_are_fed_differently_are_compared_on_the_same_pictures(here, photos, undrawn):
    first = replace(load_model("own_networks:deep"), preprocess=torch.sqrt)
    against = load_against("own_networks:deep=random", first, "another")
    plan = ProbePlan("own_networks:deep", PictureFolder(photos, 16), (2,), negative="clip", inputs=8)
    probe_run.run_probe(first, plan, here / "out", against=against, progress=lambda *told: None, say=print)
    a, b = (ProbeResult.load(here / "out" / "rank-2" / where) for where in ("", "against"))
    assert a.provenance["data"] != b.provenance["data"], "they are fed differently"
    assert len(rows_of(here / "out" / "rank-2" / "comparison.csv")) >= 2


def test_what_is_finished_of_both_is_kept(here, command, undrawn, fitted, recordings, weights, monkeypatch, capsys):
    compared, real = [], against_run.refits
    monkeypatch.setattr(against_run, "refits", lambda *given, **how: compared.append(1) or real(*given, **how))
    asked = command("--ranks", "2", "--resume")
    assert cli.main(asked) == 0
    alone = timeless(here / "out" / "index.html")
    both = [*asked, "--against", "random"]
    assert cli.main(both) == 0
    assert fitted == [2, 2], "the first is kept, the second is fitted"
    assert len(compared) == 2
    page = timeless(here / "out" / "index.html")
    recordings.clear()
    capsys.readouterr()
    assert cli.main(both) == 0
    assert "nothing was recorded or factored again" in capsys.readouterr().out
    assert timeless(here / "out" / "index.html") == page
    assert cli.main(asked) == 0
    assert timeless(here / "out" / "index.html") == alone
    assert (fitted, recordings, len(compared)) == ([2, 2], [], 2)
    assert cli.main([*asked, "--against", weights]) == 0
    assert fitted == [2, 2, 2], "another second network"
    assert len(compared) == 4
    page = timeless(here / "out" / "index.html")
    assert f"patterns (there: the same network with the weights of {weights});" in words_of(here / "out" / "index.html")
    (here / "out" / "rank-2" / "against" / SAID).unlink()
    assert cli.main([*asked, "--against", weights]) == 0
    assert "out/rank-2/against is damaged, and made anew" in capsys.readouterr().out
    assert timeless(here / "out" / "index.html") == page
    assert len(compared) == 4, "to the same bits, so the comparison stands"
    assert cli.main([one for one in asked if one != "--resume"]) == 0
    assert not (here / "out" / "rank-2" / "comparison.csv").exists(), "it was of another fit"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nothing.pt", "is no file of weights, nor random, MODEL=FILE or MODEL=random"),
        ("resnet34=random", "is no file of weights, nor random, MODEL=FILE or MODEL=random"),
        ("torchvision:resnet34", "model 'torchvision:resnet34' has no weights"),
        ("torchvision:resnet999=random", "torchvision has no model 'resnet999'"),
        ("own_networks:deep=none.pt", "there is no file none.pt with weights"),
        ("own_networks:none", "module 'own_networks' has no 'none'"),
        ("own_networks:flat=lr=0.1.pt", "lr=0.1.pt is of another network"),
        ("lr=0.1.pt", "is the network itself, with the same weights"),
        ("~nobody_at_all/x.pt", "is no file of weights, nor random, MODEL=FILE or MODEL=random"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_the_option(here, command, weights, capsys, what, said):
    asked = command("--weights", weights, "--against", what)
    assert cli.main(asked) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"cnn-probe: --against {what}")
    assert said in error
    assert not (here / "out").exists()


def test_what_cannot_be_probed_of_the_second_names_it(here, command, weights, capsys):
    for model, against, more, said in (
        (
            "own_trained:above_zero",
            "own_trained:below_zero",
            ["--negative", "error"],
            "a layer has negative activations",
        ),
        ("own_networks:deep", "own_trained:above_zero", ["--layers", "3"], "there is no layer '3'"),
        (
            "own_networks:deep",
            "own_trained:above_zero",
            ["--inputs", "none", "--ranks", "9"],
            "--ranks 9 is more than the 8",
        ),
    ):
        assert cli.main([*command("--ranks", "2", *more, "--against", against), "--model", model]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"cnn-probe: --against {against}: {said}")
        assert not (here / "out").exists()


def test_weights_that_a_factory_sets_are_not_called_random(here, weights):
    with pytest.raises(ValueError, match="--against random is the network itself"):
        load_against("random", load_model("own_trained:trained"), "own_trained:trained")
    with pytest.warns(UserWarning, match="--against random: 1 of 6 weights are those of the network itself"):
        load_against("random", load_model("own_trained:half_trained"), "own_trained:half_trained")
    with pytest.raises(ValueError, match="own_networks:ready is one network"):
        load_against("own_networks:ready=random", load_model("own_networks:ready"), "own_networks:ready")


def test_only_the_same_network_with_random_weights_is_an_untrained_one_of_its_shape(here, weights):
    first = load_model("own_networks:deep", weights)
    assert load_against("random", first, "own_networks:deep").untrained
    assert load_against("own_networks:deep=random", first, "own_networks:deep").untrained
    assert not load_against("own_networks:flat=random", first, "own_networks:deep").untrained


def test_random_beside_random_is_another_draw(here):
    first = load_model("own_networks:deep", random=True)
    against = load_against("random", first, "own_networks:deep", first_is_random=True)
    assert against.name == "the same network, with other random weights"
    assert not torch.equal(first.network[0].weight, against.model.network[0].weight)
