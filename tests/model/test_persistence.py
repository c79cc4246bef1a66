"""A model's file: written whole or not at all, and what comes back is the model that was saved."""

import subprocess
import sys
import threading

import kills
import numpy as np
import pytest
from fuzz.models import MODELS, X, model_of
from processes import with_tests
from sklearn.exceptions import NotFittedError

from coupled_nmf import Blocks, CoupledNMF

LEARNED = ("n_components_", "fitted_on_blocks_", "reconstruction_err_", "rmse_", "block_rmse_", "block_relative_error_",
           "objective_history_", "n_iter_", "n_features_in_", "block_feature_names_", "layout_")  # fmt: skip


class Held(CoupledNMF):
    """A subclass with a parameter of its own, which may hold arrays."""

    def __init__(self, n_components=10, *, held=None, random_state=None):
        super().__init__(n_components, random_state=random_state)
        self.held = held


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
    done = subprocess.run([sys.executable, "-c", code], env=with_tests(), capture_output=True, text=True, check=True)
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
