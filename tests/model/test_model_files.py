"""What `load` reads: files of an earlier version; and what is damaged, or no model, is named and never taken."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from fuzz.models import SMALL, X, model_of, packed

from coupled_nmf import CoupledNMF
from coupled_nmf.model.archive import read_archive

DATA = Path(__file__).parent / "models"


def refused(path):
    """What `load` says of a file: one ValueError, which names it."""
    with pytest.raises(ValueError, match=re.escape(f"{path} is not a model that")) as caught:
        CoupledNMF.load(path)
    return str(caught.value)


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
