"""Recording as tasks: the store is that of a pass here, to the bit, whoever recorded what, and whatever was cut off."""

import os
import pickle
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from clusters import cluster_of
from torch import nn
from torch.utils.data import DataLoader, Dataset

from cnn_probe import ImageSet, probe
from cnn_probe.data.batches import as_source
from cnn_probe.probing import on_workers
from cnn_probe.probing.sent import send

distributed = pytest.importorskip("distributed")

N = 203
PICTURES = torch.rand(N, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(N) % 3
HOW = {"n_components": 2, "max_iter": 3, "negative": {"1": "shift", "4": "split"}, "batch_size": 8}

pytestmark = pytest.mark.filterwarnings("ignore:The network returns")


@pytest.fixture(autouse=True)
def one_thread():
    """As the workers have: sums of several are added in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(144, 3), nn.Tanh(), nn.Dropout())


class Read(Dataset):
    """Pictures with labels that are read one by one, which a file says; that of a number goes wrong once.

    ``wrong`` is "fails", or "kills" whoever reads it.
    """

    def __init__(self, folder, number=-1, wrong="fails"):
        self.folder, self.number, self.wrong = Path(folder), number, wrong
        self.folder.mkdir(exist_ok=True)

    def __len__(self):
        return N

    def __getitem__(self, index):
        if index == self.number and threading.current_thread() is not threading.main_thread() and self._goes_wrong():
            if self.wrong == "kills":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError("the disk is away")
        with open(self.folder / "read", "a") as file:
            file.write(f"{index} {threading.current_thread() is threading.main_thread()}\n")
        return PICTURES[index], int(LABELS[index])

    def _goes_wrong(self):
        """At the second reading by a worker: the first is for the fingerprint."""
        with open(self.folder / "wrong", "a") as file:
            file.write("x")
        return (self.folder / "wrong").stat().st_size == 2

    def read(self):
        """Numbers that were read, and whether in the main thread; forgotten then."""
        lines = (self.folder / "read").read_text().splitlines()
        (self.folder / "read").unlink()
        return [(int(line.split()[0]), line.endswith("True")) for line in lines]


def files_in(folder):
    """All bytes of the one store in a folder, by the names of its files."""
    (store,) = Path(folder).iterdir()
    return {file.name: file.read_bytes() for file in store.iterdir()}


def kinds(tmp_path):
    np.save(tmp_path / "pictures.npy", PICTURES.numpy())
    return {
        "tensor": PICTURES,
        "images": ImageSet(PICTURES, LABELS),
        "array": PICTURES.numpy(),
        "map": np.load(tmp_path / "pictures.npy", mmap_mode="r"),
        "dataset": Read(tmp_path / "data"),
    }


@pytest.mark.parametrize("kind", ["tensor", "images", "array", "map", "dataset"])
def test_the_store_is_that_of_a_pass_here(network, tmp_path, kind):
    data = kinds(tmp_path)[kind]
    here = probe(network, data, store=tmp_path / "here", **HOW)
    seen = []
    there = probe(
        network, data, store=tmp_path / "there", record_on="workers", progress=lambda *told: seen.append(told), **HOW
    )
    assert files_in(tmp_path / "there") == files_in(tmp_path / "here")
    np.testing.assert_array_equal(there.F, here.F)
    np.testing.assert_array_equal(there.model.components_, here.model.components_)
    np.testing.assert_array_equal(there.scores, here.scores)
    assert there.provenance["data"] == here.provenance["data"]
    recorded = [done for what, done, _ in seen if what == "recording"]
    assert recorded[0] == 0
    assert recorded == sorted(recorded)
    assert recorded[-1] == N
    assert network.training, "the network is left as it was"


@pytest.mark.parametrize("batch_size", [1, 7, N - 1, N, 500, None])
def test_batches_that_do_not_fit(network, tmp_path, batch_size, monkeypatch):
    monkeypatch.setattr(on_workers, "SHARES", 3)
    how = HOW | {"batch_size": batch_size}
    for where in ("here", "workers"):
        probe(network, PICTURES, store=tmp_path / where, record_on=where, **how)
    assert files_in(tmp_path / "workers") == files_in(tmp_path / "here")


def test_functions_of_the_users(network, tmp_path):
    """Also such as have no name by which a worker could import them."""
    shift = 0.25
    how = HOW | {
        "preprocess": lambda pictures: pictures - shift,
        "inputs": lambda fed: {"mean": (fed + shift).flatten(1).mean(1)},
        "predict": lambda output: output.argmin(1),
    }
    for where in ("here", "workers"):
        result = probe(network, PICTURES, store=tmp_path / where, record_on=where, **how)
        assert result.shapes["mean"] == (1,)
    assert files_in(tmp_path / "workers") == files_in(tmp_path / "here")


def test_the_client_reads_a_few_samples_alone(network, tmp_path):
    data = Read(tmp_path / "data")
    probe(network, data, store=tmp_path / "there", record_on="workers", **HOW)
    read = data.read()
    assert {index for index, here in read if here} == {0, 1, 2}
    assert sorted(index for index, here in read if not here) == sorted(
        [*range(N), *range(N)]
    )  # and for the fingerprint


def test_a_store_that_is_there_is_found(network, tmp_path, monkeypatch):
    first = probe(network, PICTURES, store=tmp_path, record_on="workers", **HOW)
    (store,) = tmp_path.iterdir()
    before = {file: file.stat().st_mtime_ns for file in store.iterdir()}
    monkeypatch.setattr(on_workers.Recorders, "record", None)
    for where in ("workers", "here"):
        np.testing.assert_array_equal(probe(network, PICTURES, store=tmp_path, record_on=where, **HOW).F, first.F)
    assert {file: file.stat().st_mtime_ns for file in store.iterdir()} == before


@pytest.mark.parametrize("where", ["workers", "here"])
def test_what_was_cut_off_there_is_gone_on_with(network, tmp_path, where):
    data, folder = Read(tmp_path / "data", 59), tmp_path / "there"
    with pytest.raises(OSError, match="the disk is away"):
        probe(network, data, store=folder, record_on="workers", **HOW)
    parts = [name for name in files_in(folder) if name.startswith("part-")]
    assert parts
    data.read()
    probe(network, data, store=folder, record_on=where, **HOW)
    read = [index for index, main in data.read() if main == (where == "here")]
    assert len(read) < 2 * N, "parts that were there are not read again"  # but for the fingerprint
    probe(network, data, store=tmp_path / "here", **HOW)
    assert files_in(folder) == files_in(tmp_path / "here")


@pytest.mark.parametrize("batch_size", [8, 5])
def test_what_was_cut_off_here_is_gone_on_with_there(network, tmp_path, batch_size):
    """With batches of another size to the same rows but for rounding."""

    def cut_off(what, done, total):
        if done == 80:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe(network, PICTURES, store=tmp_path / "there", progress=cut_off, **HOW)
    there = probe(network, PICTURES, store=tmp_path / "there", record_on="workers", **HOW | {"batch_size": batch_size})
    here = probe(network, PICTURES, store=tmp_path / "here", **HOW)
    if batch_size == 8:
        assert files_in(tmp_path / "there") == files_in(tmp_path / "here")
    np.testing.assert_allclose(there.scores, here.scores, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(there.predictions, here.predictions)


def test_a_worker_that_dies_is_stood_in_for(network, tmp_path):
    data = Read(tmp_path / "data", 90, "kills")
    with cluster_of(2) as cluster, distributed.Client(cluster) as client:
        before = set(client.run(os.getpid).values())
        probe(network, data, store=tmp_path / "there", record_on="workers", **HOW)
        client.wait_for_workers(2)
        assert set(client.run(os.getpid).values()) != before
    probe(network, data, store=tmp_path / "here", **HOW)
    assert files_in(tmp_path / "there") == files_in(tmp_path / "here")


def test_an_error_of_a_pass_is_that_of_a_pass_here(network, tmp_path):
    """Of a sample that the first few did not show, also to whoever goes on."""
    pictures = PICTURES.clone()
    pictures[150] = 100.0
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Hardshrink(20.0))
    with torch.no_grad():
        plain[1].weight.fill_(-0.1)
    how = {"n_components": 2, "batch_size": 8, "inputs": False}
    said = []
    for where in ("here", "workers", "workers"):
        with pytest.raises(ValueError, match="negative") as error:
            probe(plain, pictures, store=tmp_path / where, record_on=where, **how)
        said.append(str(error.value))
    assert said == said[:1] * 3


class Unsendable:
    """What lives in one process."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, value):
        return value


class NotThere(nn.Module):
    """What cannot be loaded where it is sent."""

    def forward(self, x):
        return torch.relu(x.flatten(1))

    def __reduce__(self):
        return _not_there, ()


def _not_there():
    raise ModuleNotFoundError("No module named 'mine'")


class Held(nn.Sequential):
    """A network that holds an open lock."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.lock = threading.Lock()


class HeldData(Read):
    """A data set that does."""

    def __init__(self, folder):
        super().__init__(folder)
        self.lock = threading.Lock()


def test_what_cannot_be_sent_is_named_before_any_work(network, tmp_path):
    there = {"store": tmp_path / "there", "record_on": "workers"}
    for argument in ("preprocess", "inputs", "predict"):
        with pytest.raises(
            TypeError, match=rf"{argument} is a Unsendable that cannot be sent .*lock.*; give a function"
        ):
            probe(network, PICTURES, **there, **HOW | {argument: Unsendable()})
    with pytest.raises(TypeError, match=r"network is a Held that cannot be sent .*lock.*; leave out what it holds"):
        probe(Held(*network), PICTURES, **there, **HOW)
    with pytest.raises(TypeError, match=r"data is a HeldData that cannot be sent .*opens files when a sample is read"):
        probe(network, HeldData(tmp_path / "data"), **there, **HOW)
    assert not (tmp_path / "there").exists()
    with pytest.raises(RuntimeError, match=r"network cannot be loaded by the worker .*No module named 'mine'"):
        probe(NotThere(), PICTURES, **there, n_components=2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (DataLoader(PICTURES, batch_size=8), r"data is a DataLoader, .*give its dataset and batch_size= .*a Tensor"),
        (list(PICTURES.split(8)), "data is a list, whose samples cannot be read from a place on"),
    ],
    ids=["loader", "batches"],
)
def test_data_that_cannot_be_read_from_a_place_on(network, tmp_path, data, message):
    with pytest.raises(TypeError, match=message):
        probe(network, data, store=tmp_path / "there", record_on="workers", **HOW)
    assert not (tmp_path / "there").exists()


def test_a_network_elsewhere_and_a_folder_that_workers_lack(network, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"network is on meta, .* give network\.cpu\(\)"):
        send(nn.Linear(2, 2, device="meta"), as_source(PICTURES), True, None)
    monkeypatch.setattr(on_workers, "MANIFEST", "elsewhere.json")
    with pytest.raises(ValueError, match=r"store='.*there' is not there for the worker inproc"):
        probe(network, PICTURES, store=tmp_path / "there", record_on="workers", **HOW)


def test_what_is_sent_of_a_map_is_its_name(network, tmp_path):
    data = kinds(tmp_path)["map"]
    assert len(pickle.dumps(data)) > data.nbytes
    sent = send(network, as_source(data), True, None)
    assert len(sent.pickled["data"]) < 1000
    np.testing.assert_array_equal(sent.load()["data"], data)
