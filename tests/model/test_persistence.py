"""A model's file: written whole or not at all, and checked against itself when it is read."""

import io
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import kills
import numpy as np
import pytest
from fuzz.models import MODELS, SMALL, X, model_of, packed
from sklearn.exceptions import NotFittedError

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.model.archive import read_archive

DATA = Path(__file__).parent / "models"
LEARNED = ("n_components_", "fitted_on_blocks_", "reconstruction_err_", "rmse_", "block_rmse_", "block_relative_error_",
           "objective_history_", "n_iter_", "n_features_in_", "block_feature_names_", "layout_")  # fmt: skip


class Held(CoupledNMF):
    """A subclass with a parameter of its own, which may hold arrays."""

    def __init__(self, n_components=10, *, held=None, random_state=None):
        super().__init__(n_components, random_state=random_state)
        self.held = held


@pytest.fixture
def path(tmp_path):
    model_of("stream").save(tmp_path / "model")
    return tmp_path / "model"


def refused(path):
    """What `load` says of a file: one ValueError, which names it."""
    with pytest.raises(ValueError, match=re.escape(f"{path} is not a model that")) as caught:
        CoupledNMF.load(path)
    return str(caught.value)


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_comes_back_as_it_was_and_goes_on(kind, tmp_path):
    model = model_of(kind)
    model.save(tmp_path / "model")
    again = CoupledNMF.load(tmp_path / "model")
    data = X if model.fitted_on_blocks_ else X.to_array()
    np.testing.assert_equal(again.get_params(), model.get_params())
    for name in LEARNED:
        assert getattr(again, name, None) == getattr(model, name, None), name
    assert again.components_.dtype == model.components_.dtype
    assert again.components_.flags.c_contiguous
    assert again.components_.flags.writeable
    np.testing.assert_array_equal(again.transform(data), model.transform(data))
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    other = CoupledNMF.load(tmp_path / "again")
    for one in (again, other):
        one.partial_fit(data)
    np.testing.assert_array_equal(again.components_, other.components_)
    assert again.n_steps_ == getattr(model, "n_steps_", 0) + 1


def test_a_save_that_is_killed_anywhere_leaves_a_whole_model(tmp_path):
    model_of("hals").save(tmp_path / "old")
    model_of("stream").save(tmp_path / "new")
    code = f"""
import shutil, kills
from pathlib import Path
from coupled_nmf import CoupledNMF
folder = Path({str(tmp_path)!r})
shutil.copy(folder / "old", folder / "model")
new = CoupledNMF.load(folder / "new")
wholes = [(folder / name).read_bytes() for name in ("old", "new")]
found = set()
print(kills.each(lambda: new.save(folder / "model"), lambda: found.add(wholes.index((folder / "model").read_bytes()))))
print(sorted(found))
"""
    n_kills, found = kills.run(code).splitlines()
    assert int(n_kills) >= 5
    assert found == "[0, 1]"


def test_a_full_disk_leaves_the_old_model(path):
    if sys.platform == "win32":
        pytest.skip("limits of a process are POSIX's")
    before = path.read_bytes()
    code = f"""
import resource, signal
from coupled_nmf import CoupledNMF
model = CoupledNMF.load({str(path)!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    model.save({str(path)!r})
except OSError as error:
    print(error.errno)
"""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "27", "EFBIG"
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["model"]


def test_ctrl_c_in_the_middle_leaves_the_old_model(path, monkeypatch):
    before = path.read_bytes()

    def interrupted(file, **arrays):
        file.write(before[:500])
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model_of("hals").save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["model"]


def test_threads_that_save_to_one_path_leave_one_of_their_models(tmp_path):
    path, whole = tmp_path / "model", []
    for model in map(model_of, MODELS):
        model.save(path)
        whole.append(path.read_bytes())

    def save_often(model):
        for _ in range(5):
            model.save(path)

    threads = [threading.Thread(target=save_often, args=(model,)) for model in map(model_of, MODELS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in whole
    assert len(list(tmp_path.iterdir())) == 1


def without(header, name):
    del header["fitted"][name]


DAMAGE = {  # what is changed, behind a digest that fits, and what is said of it
    "a list": (lambda h, a: h.clear(), "has format None"),
    "another format": (lambda h, a: h.update(format="coupled_nmf model 9"), "format 'coupled_nmf model 9'"),
    "a parameter too many": (lambda h, a: h["params"].update(solvent=1), "unknown 'solvent'"),
    "callbacks": (lambda h, a: h["params"].update(callbacks=[]), "unknown 'callbacks'"),
    "a parameter too few": (lambda h, a: h["params"].pop("tol"), "params lacks 'tol'"),
    "no such solver": (lambda h, a: h["params"].update(solver="newton"), "'solver' parameter"),
    "a rank of text": (lambda h, a: h["params"].update(n_components="3"), "'n_components' parameter"),
    "no parameters": (lambda h, a: h.update(params=[]), r"params is \[\], not an object"),
    "an array for nothing": (lambda h, a: h.update(param_arrays=[["tol"]]), "lacks the array 'param0'"),
    "an array in place of something": (
        lambda h, a: (h.update(param_arrays=[["tol"]]), a.update(param0=np.ones(2))), "in place of something else"),
    "an array nowhere": (
        lambda h, a: (h.update(param_arrays=[["blocks", 0]]), a.update(param0=np.ones(2))), "no such place"),
    "wide blocks": (lambda h, a: h["layout"].update(sizes=[6, 100000]), "blocks have 100006 columns"),
    "a negative size": (lambda h, a: h["layout"].update(sizes=[12, -1]), "a size of the layout is -1"),
    "a size of 2.0": (lambda h, a: h["layout"].update(sizes=[9, 2.0]), "a size of the layout is 2.0"),
    "a block too few": (lambda h, a: h["layout"].update(names=["a"]), "list of 2 strings"),
    "two blocks of one name": (lambda h, a: h["layout"].update(names=["a", "a"]), "a string of its own"),
    "other names": (lambda h, a: h["layout"].update(names=["a", "c"]), "lacks 'c'"),
    "another width": (lambda h, a: h["fitted"].update(n_features_in_=12), "n_features_in_ is 12"),
    "another rank": (lambda h, a: h["fitted"].update(n_components_=4), r"components is float64 of shape \(3, 11\)"),
    "a rank of true": (lambda h, a: h["fitted"].update(n_components_=True), "n_components_ is True"),
    "a weight too few": (lambda h, a: h["fitted"].update(block_weights_=[1.0]), "1 entries for 2 blocks"),
    "a negative weight": (lambda h, a: h["fitted"].update(block_weights_=[1.0, -1.0]), "not negative"),
    "weights of 0": (lambda h, a: h["fitted"].update(block_weights_=[0, 0]), "not all 0"),
    "a weight of text": (lambda h, a: h["fitted"].update(block_weights_=["1", "1"]), "not a finite number"),
    "no weights": (lambda h, a: without(h, "block_weights_"), "fitted lacks 'block_weights_'"),
    "no names": (lambda h, a: without(h, "block_feature_names_"), "fitted lacks 'block_feature_names_'"),
    "an attribute too many": (lambda h, a: h["fitted"].update(components_=[[1.0]]), "unknown 'components_'"),
    "a negative error": (lambda h, a: h["fitted"].update(rmse_=-1.0), "rmse_ is -1.0"),
    "an infinite error": (lambda h, a: h["fitted"].update(rmse_=float("inf")), "Infinity, which is no finite"),
    "a huge error": (lambda h, a: h["fitted"].update(rmse_=10**400), "which is too large"),
    "errors by block": (lambda h, a: h["fitted"]["block_rmse_"].pop("a"), "block_rmse_ lacks 'a'"),
    "a history of NaN": (lambda h, a: h["fitted"].update(objective_history_=[float("nan")]), "NaN"),
    "a history of one": (lambda h, a: h["fitted"].update(objective_history_=1.0), "not a list"),
    "iterations": (lambda h, a: h["fitted"].update(n_iter_=1.5), "n_iter_ is 1.5"),
    "names of columns": (lambda h, a: h["fitted"].update(block_feature_names_={"a": ["x"]}), "not a list of 6"),
    "names of no block": (lambda h, a: h["fitted"].update(block_feature_names_={"c": []}), "unknown 'c'"),
    "names of X": (lambda h, a: h.update(feature_names_in=["x", "y"]), "not a list of 11 strings"),
    "no components": (lambda h, a: a.pop("components"), "lacks the array 'components'"),
    "flat components": (lambda h, a: a.update(components=a["components"].ravel()), r"shape \(33,\)"),
    "turned components": (lambda h, a: a.update(components=a["components"].T), r"shape \(11, 3\)"),
    "whole components": (lambda h, a: a.update(components=a["components"].astype(int)), "components is int64"),
    "half components": (lambda h, a: a.update(components=a["components"].astype("f2")), "components is float16"),
    "negative components": (lambda h, a: a["components"].__setitem__((0, 0), -1e-300), "finite, or negative"),
    "NaN": (lambda h, a: a["components"].__setitem__((2, 10), np.nan), "not finite"),
    "infinity": (lambda h, a: a["components"].__setitem__((2, 10), np.inf), "not finite"),
    "an array too many": (lambda h, a: a.update(stream3=np.ones(2)), "'stream3' that belongs to nothing"),
    "sums too few": (lambda h, a: a.pop("stream2"), "lacks the array 'stream2'"),
    "sums of another shape": (lambda h, a: a.update(stream1=a["stream1"][:1]), r"stream1 is .* of shape \(1, 3, 3"),
    "single sums": (lambda h, a: a.update(stream0=a["stream0"].astype("f4")), "stream0 is float32"),
    "negative sums": (lambda h, a: a["stream1"].__setitem__((0, 0, 0), -1.0), "stream1 has entries"),
    "sums of another loss": (lambda h, a: h["stream"].update(loss="kullback-leibler"), r"it would be .* shape \(2, 3"),
    "no such loss": (lambda h, a: h["stream"].update(loss=["frobenius"]), "loss is"),
    "batches": (lambda h, a: h["stream"].update(n_batches=0), "n_batches is 0"),
    "samples": (lambda h, a: h["stream"].update(n_samples=-3.0), "n_samples is -3.0"),
    "a part too many": (lambda h, a: h.update(more=1), "unknown 'more'"),
    "no stream": (lambda h, a: h.pop("stream"), "'stream0' that belongs to nothing"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_does_not_go_together_is_named(path, damage):
    change, message = DAMAGE[damage]
    archive = read_archive(path)
    header, arrays = json.loads(archive.text), archive.arrays
    change(header, arrays)
    path.write_bytes(packed(json.dumps(header), arrays))
    assert re.search(message, refused(path))


def npy(claims, content=b""):
    text = f"{claims}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,)}"), "is no array"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"), "but has 0 bytes"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"), "no array of numbers"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 10000000000000000000000000)}"), ""),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"cos\nabort\n(tR."), "no array of numbers"),
        (npy("{'descr': '<f8,<f8', 'fortran_order': False, 'shape': (0,)}"), "is no array"),
        (npy("(" * 5000), "is no array"),
        (npy("-" * 9000 + "1"), "is no array"),
        (b"", "is no array"),
        (b"\x93NUMPY\x03\x00", "is no array"),
    ],
)
def test_what_an_array_claims_is_held_against_what_there_is(path, content, message):
    archive = read_archive(path)
    path.write_bytes(packed(archive.text, archive.arrays, {"components": content}))
    assert message in refused(path)


@pytest.mark.parametrize(
    "text", ["", "[" * 100000, "[]", "1", '"x"', '{"format": NaN}', "{'format': 1}", '{"format": 1e999}']
)
def test_a_header_that_is_no_object_is_named(path, text):
    path.write_bytes(packed(text, read_archive(path).arrays))
    refused(path)


def test_every_flipped_byte_is_found_or_says_nothing_of_the_model(path):
    whole, F = path.read_bytes(), model_of("stream").transform(X)
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            again = CoupledNMF.load(path)
        except ValueError:
            refused(path)
            continue
        np.testing.assert_array_equal(again.transform(X), F, err_msg=str(place))
        np.testing.assert_equal(again.get_params(), model_of("stream").get_params())


@pytest.mark.parametrize("part", ["header", "components"])
def test_another_content_under_the_old_digest_is_damage(path, part):
    """An archive's own sums find flips; this is a file that was made of two."""
    other = path.parent / "other"
    model_of("gaps").save(other)
    theirs, ours = read_archive(other), read_archive(path)
    text = ours.text.replace('"n_iter_": 5', '"n_iter_": 4') if part == "header" else ours.text
    assert (text != ours.text) == (part == "header")
    arrays = ours.arrays if part == "header" else {**ours.arrays, "components": theirs.arrays["components"]}
    file = io.BytesIO()
    np.savez(file, header=np.array(text), **arrays, digest=np.array(ours.digest))
    path.write_bytes(file.getvalue())
    assert "its contents are not those that were saved" in refused(path)


# What the code of commit 5cec763, version 0.1.0 before there was a digest, saved of models of the X above; and what
# their `transform` of it gave.
OLD = {
    "hals": {},
    "divergence": {"solver": "mu", "beta_loss": "kullback-leibler", "block_weights": {"a": 2.0}},
    "stream": {},
}


@pytest.mark.parametrize("kind", OLD)
def test_files_of_0_1_0_load(kind, tmp_path):
    file, path = DATA / f"{kind}-0.1.0.npz", tmp_path / "model"
    content = dict(np.load(file))
    header = json.loads(str(content["header"]))
    again = CoupledNMF.load(file)
    params = CoupledNMF(3, **OLD[kind], random_state=0, n_jobs=1, tol=0, max_iter=5).get_params()
    assert again.get_params() == params
    assert {**header["params"], "fixed_components": None, "callbacks": (), "checkpoint": None} == params, (
        "as it was written"
    )
    np.testing.assert_array_equal(again.components_, content["components"])
    np.testing.assert_equal(again.layout_, X.layout)
    for name, value in header["fitted"].items():
        np.testing.assert_equal(getattr(again, name), value, err_msg=name)
    with np.load(DATA / "F-0.1.0.npz") as expected:
        F = again.transform(SMALL if kind == "divergence" else X)
        assert F.dtype == expected[kind].dtype
        np.testing.assert_allclose(F, expected[kind], rtol=1e-3 if kind == "divergence" else 1e-9, atol=1e-9)
    sums = [content[name] for name in sorted(content) if name.startswith("stream")]
    assert len(sums) == (3 if kind == "stream" else 0)
    for one, other in zip(getattr(again, "_stream", None).sums if sums else (), sums, strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.partial_fit(X).n_steps_ == (3 if sums else 1)
    content["components"] = content["components"][:, :-1]
    with open(path, "wb") as file:
        np.savez(file, **content)
    assert "components is" in refused(path)


def test_what_is_no_file_stays_an_error_of_the_system(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, error in ((tmp_path, IsADirectoryError), (tmp_path / "none", FileNotFoundError), (loop, OSError)):
        with pytest.raises(error):
            CoupledNMF.load(path)


def test_other_files_are_no_models(tmp_path):
    path = tmp_path / "file"
    np.savez(tmp_path / "other.npz", header=np.ones(3))
    for content in (b"", b"text", b"PK\x05\x06" + bytes(18), (tmp_path / "other.npz").read_bytes()):
        path.write_bytes(content)
        refused(path)


def test_what_was_not_learned_stays_absent(tmp_path):
    """A model whose components were given and not fitted has no errors and no history."""
    model = CoupledNMF(3, random_state=0, max_iter=5, tol=0).fit(X)
    absent = [name for name in LEARNED if name.startswith(("rmse", "block_r", "recon", "objective", "n_iter"))]
    for name in absent:
        delattr(model, name)
    model.save(tmp_path / "model")
    again = CoupledNMF.load(tmp_path / "model")
    assert len(absent) == 6
    assert not [name for name in absent if hasattr(again, name)]
    np.testing.assert_array_equal(again.transform(X), model.transform(X))


@pytest.mark.parametrize(
    "held",
    [
        np.array([[1.0, np.nan], [0.5, 2.0]], dtype=np.float32),
        {"a": np.arange(3), "b": None, "c": [np.zeros((0, 4)), np.ones(1, dtype=bool)]},
        np.asfortranarray(np.ones((2, 3))).astype(">f8"),
    ],
)
def test_a_subclass_and_arrays_in_parameters_come_back(held, tmp_path):
    model = Held(2, held=held, random_state=0).fit(X.to_array())
    model.save(tmp_path / "model")
    again = Held.load(tmp_path / "model")
    assert type(again) is Held
    np.testing.assert_equal(again.held, held)
    np.testing.assert_array_equal(again.transform(X.to_array()), model.transform(X.to_array()))
    with pytest.raises(ValueError, match="params lacks 'alpha_F'"):
        CoupledNMF.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m: m.set_params(random_state=object()), TypeError, "random_state is <object"),
        (lambda m: m.set_params(alpha_H={"a": b"1"}), TypeError, r"alpha_H\['a'\] is b'1'"),
        (lambda m: m.set_params(block_weights={1: 2.0}), TypeError, "block_weights is"),
        (lambda m: m.set_params(block_weights=[1.0, np.nan]), TypeError, r"block_weights\[1\] is nan"),
        (lambda m: m.set_params(solver="newton"), ValueError, "cannot be saved.*solver"),
        (lambda m: setattr(m, "objective_history_", [np.nan]), ValueError, "cannot be saved"),
        (lambda m: setattr(m, "components_", np.ones((3, 12))), ValueError, "cannot be saved.*components is"),
        (lambda m: setattr(m, "components_", [[1.0] * 11] * 3), None, ""),
        (lambda m: delattr(m, "components_"), NotFittedError, "not fitted"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(path, change, error, message):
    before, model = path.read_bytes(), CoupledNMF.load(path)
    change(model)
    if error is None:
        model.save(path)
        assert CoupledNMF.load(path).components_.tolist() == model.components_
        return
    with pytest.raises(error, match=message):
        model.save(path)
    assert path.read_bytes() == before


def test_a_callback_that_saves_in_the_first_fit_hears_that_nothing_is_fitted(tmp_path):
    model = CoupledNMF(2, random_state=0)
    model.set_params(callbacks=lambda info: model.save(tmp_path / "model"))
    with pytest.raises(NotFittedError):
        model.fit(X)
    assert not list(tmp_path.iterdir())


def test_names_of_columns_come_back(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X["a"], columns=list("uvwxyz"))
    alone = CoupledNMF(2, random_state=0).fit(frame)
    together = CoupledNMF(2, random_state=0).fit(Blocks({"a": frame, "b": X["b"]}))
    for model, name in ((alone, "feature_names_in_"), (together, "block_feature_names_")):
        model.save(tmp_path / "model")
        again = CoupledNMF.load(tmp_path / "model")
        np.testing.assert_equal(getattr(again, name), getattr(model, name))
    assert not hasattr(again, "feature_names_in_")
