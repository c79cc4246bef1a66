"""A fit that ended before its end goes on from its folder, to the bits of one that ran through."""

import json
import os
import signal
from pathlib import Path

import kills
import numpy as np
import pytest
from oracles import CASES

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks, rank_path
from coupled_nmf.fit import best_fit, checkpoint
from coupled_nmf.fit.checkpoint import Keeper
from coupled_nmf.system.folders import Folder
from coupled_nmf.system.kept_files import write_manifest

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PLAIN = {"n_components": 3, "max_iter": 12, "tol": 0, "random_state": 0}
COURSES = [
    {},
    {"init": "compressed"},
    {"extrapolate": False, "n_init": 2},
    {"init": "random", "alpha_F": 0.01, "l1_ratio": 0.5, "n_init": 3},
    {"tol": 1e-3, "max_iter": 100},
]


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(80, {"a": 12, "b": 9}, 3, noise=0.2, random_state=0)[0]


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A checkpoint after each iteration that is looked at."""
    monkeypatch.setattr(checkpoint, "ITERATIONS", 1)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)


class Lost(BaseException):
    """The machine is gone."""


def lose(monkeypatch, n):
    """Have the machine go after the n-th checkpoint."""
    write, calls = Keeper._write, []

    def and_then(self, *arguments):
        write(self, *arguments)
        calls.append(1)
        if len(calls) == n:
            raise Lost

    monkeypatch.setattr(Keeper, "_write", and_then)


def found(X, sample_weight=None, given=(None, None), **params):
    seen = []
    model = CoupledNMF(**PLAIN | {"callbacks": lambda info: seen.append(info.iteration) and None} | params)
    F = np.asarray(model.fit_transform(X, sample_weight=sample_weight, F=given[0], H=given[1]))
    return model.components_.tobytes(), F.tobytes(), model.objective_history_, model.rmse_, seen


def check_goes_on(X, folder, monkeypatch, n, **params):
    """That it does, after the n-th checkpoint; return how many iterations were left to do."""
    *expected, _ = found(X, **params)
    with monkeypatch.context() as patch:
        lose(patch, n)
        with pytest.raises(Lost):
            found(X, checkpoint=folder, **params)
    *after, seen = found(X, checkpoint=folder, **params)
    assert after == expected
    *again, none = found(X, checkpoint=folder, **params)
    assert again == expected, "of a fit that is finished nothing is left but F"
    assert none == []
    return len(seen)


@pytest.mark.parametrize("params", COURSES, ids=lambda params: "-".join(map(str, params.values())) or "plain")
def test_it_goes_on_to_the_bits_of_a_fit_that_ran_through(X, params, tmp_path, monkeypatch):
    n_starts = params.get("n_init", 1)
    for n in (1, 12 * n_starts - 7):
        left = check_goes_on(X, tmp_path / str(n), monkeypatch, n, **params)
        assert 0 < left <= 12 * n_starts - n or "tol" in params


@pytest.mark.parametrize(("solver", "loss"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_gaps_weights_and_losses(X, solver, loss, weighted, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    blocks = {name: np.array(X[name]) for name in X.names}
    blocks["a"][rng.uniform(size=blocks["a"].shape) < 0.1] = np.nan
    blocks["b"][::3] = np.nan
    weights = rng.integers(0, 3, 80).astype(float) if weighted else None
    check_goes_on(Blocks(blocks), tmp_path, monkeypatch, 5, solver=solver, beta_loss=loss, sample_weight=weights)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_a_callback_and_from_a_start_of_ones_own(X, dtype, tmp_path, monkeypatch):
    there = Blocks({name: X[name].astype(dtype) for name in X.names})
    H = np.random.default_rng(1).uniform(size=(3, 21))
    check_params = {"callbacks": (), "init": "custom", "given": (None, H), "max_iter": 23}
    *expected, _ = found(there, **check_params)
    lose(monkeypatch, 3)
    with pytest.raises(Lost):
        found(there, checkpoint=tmp_path, **check_params)
    *after, _ = found(there, checkpoint=tmp_path, **check_params)
    assert after == expected


def test_more_iterations_go_on_where_fewer_ended(X, tmp_path):
    *expected, _ = found(X)
    found(X, checkpoint=tmp_path, max_iter=7)
    *after, seen = found(X, checkpoint=tmp_path)
    assert after == expected
    assert seen == [8, 9, 10, 11, 12]
    with pytest.warns(UserWarning, match="holds more than max_iter=5 iterations; the fit is made anew"):
        *_, seen = found(X, checkpoint=tmp_path, max_iter=5)
    assert seen == [1, 2, 3, 4, 5]
    *after, none = found(X, checkpoint=tmp_path)
    assert (after, none) == (expected, []), "what is further stays"


def test_one_that_a_callback_ended_goes_on(X, tmp_path):
    *expected, _ = found(X)
    found(X, checkpoint=tmp_path, callbacks=lambda info: info.iteration == 4)
    *after, seen = found(X, checkpoint=tmp_path)
    assert after == expected
    assert seen[0] == 5


def test_ctrl_c_leaves_what_was_kept(X, tmp_path):
    def press(info):
        if info.iteration == 6:
            raise KeyboardInterrupt

    *expected, _ = found(X)
    with pytest.warns(UserWarning, match="was interrupted"):
        found(X, checkpoint=tmp_path, callbacks=press)
    *after, seen = found(X, checkpoint=tmp_path)
    assert after == expected
    assert seen[0] == 6


@pytest.mark.not_emulated
def test_other_data_or_parameters_begin_anew_beside_what_is_there(X, tmp_path):
    found(X, checkpoint=tmp_path)
    n_files = len(os.listdir(tmp_path))
    other = Blocks({name: X[name] + (name == "a") for name in X.names})
    for change, said in [
        ({"n_components": 4}, "with another n_components"),
        ({"random_state": 1, "solver": "mu"}, "with another random_state, solver"),
        ({"sample_weight": np.arange(80.0)}, "of other data"),
    ]:
        with pytest.warns(UserWarning, match=f"{said}; this one begins anew, beside them"):
            *after, seen = found(X, checkpoint=tmp_path, **change)
        assert after == list(found(X, **change)[:-1])
        assert len(seen) == 12
    with pytest.warns(UserWarning, match="of other data; this one begins anew"):
        found(other, checkpoint=tmp_path)
    assert len(os.listdir(tmp_path)) > 4 * n_files - 4
    *_, none = found(X, checkpoint=tmp_path)
    assert none == [], "what was there is still"


@pytest.mark.not_emulated
@pytest.mark.parametrize("part", ["F", "other_F", "rest", "json"])
@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_what_is_damaged_is_made_anew_with_a_word(X, part, harm, tmp_path):
    *expected, _ = found(X, checkpoint=tmp_path)
    path = next(path for path in sorted(tmp_path.iterdir()) if f"-{part}" in path.name or path.suffix == f".{part}")
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-9] if harm == "cut" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    if (part, harm) == ("json", "gone"):  # then nothing says that there was a fit
        *after, seen = found(X, checkpoint=tmp_path)
    else:
        with pytest.warns(UserWarning, match=r"is (damaged: it is not what was written|missing); the fit is made anew"):
            *after, seen = found(X, checkpoint=tmp_path)
    assert after == expected
    assert len(seen) == 12
    *_, none = found(X, checkpoint=tmp_path)
    assert none == []


@pytest.mark.not_emulated
def test_a_manifest_says_what_it_is_of_and_nothing_is_pickled(X, tmp_path):
    found(X, checkpoint=tmp_path)
    (manifest,) = tmp_path.glob("*.json")
    facts = json.loads(manifest.read_text())
    assert facts["about"]["n_components"] == 3
    named = {name for part in ("F", "other_F", "rest") for name in facts[part]}
    assert {path.name for path in tmp_path.iterdir()} == named | {manifest.name}
    for name in named:
        np.load(tmp_path / name, allow_pickle=False)


@pytest.mark.not_emulated
def test_a_disk_that_fills_up_costs_no_fit(X, tmp_path, monkeypatch):
    *expected, _ = found(X)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_array", full)
    with pytest.warns(
        UserWarning, match="OSError: .*No space left on device.*; the fit goes on, and tries again"
    ) as told:
        *after, _ = found(X, checkpoint=tmp_path)
    assert after == expected
    assert not list(tmp_path.glob("*.json"))
    assert len(told) == 1


@pytest.mark.not_emulated
def test_what_cannot_be_is_refused(X, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file is a file; give the path of a folder"):
        found(X, checkpoint=tmp_path / "file")
    with pytest.raises(ValueError, match="checkpoint is ''; give the path of a folder"):
        found(X, checkpoint="")
    with pytest.raises(ValueError, match="checkpoint needs a whole number as random_state, got None"):
        found(X, checkpoint=tmp_path, random_state=None)
    with pytest.raises(ValueError, match="The 'checkpoint' parameter of CoupledNMF must be"):
        found(X, checkpoint=3)
    with pytest.raises(ValueError, match=r"estimator has checkpoint='.*', which keeps how far one fit has come"):
        rank_path(X, [2], estimator=CoupledNMF(random_state=0, checkpoint=tmp_path))


@pytest.mark.not_emulated
def test_an_address_of_fsspec(X):
    fsspec = pytest.importorskip("fsspec")
    *expected, _ = found(X)
    found(X, checkpoint="memory://runs/one", max_iter=7)
    *after, seen = found(X, checkpoint="memory://runs/one/")
    assert after == expected
    assert seen == [8, 9, 10, 11, 12]
    assert len(fsspec.filesystem("memory").ls("/runs/one")) >= 4


@pytest.mark.not_emulated
def test_a_model_that_is_saved_forgets_its_folder(X, tmp_path):
    model = CoupledNMF(**PLAIN, checkpoint=tmp_path / "folder").fit(X)
    model.save(tmp_path / "model.npz")
    assert CoupledNMF.load(tmp_path / "model.npz").checkpoint is None
    assert Path(model.checkpoint).is_dir()


@pytest.mark.not_emulated
def test_killed_at_any_moment_it_goes_on_from_the_checkpoint_before(place, tmp_path):
    if place != "cpu":
        pytest.skip("a process that is forked has no cluster")
    code = f"""
import os, shutil, warnings
from pathlib import Path
import numpy as np
import kills
from coupled_nmf import CoupledNMF, make_coupled_blocks
from coupled_nmf.fit import checkpoint
warnings.filterwarnings("ignore", "CoupledNMF stopped at max_iter")
checkpoint.ITERATIONS, checkpoint.SHARE = 4, 1e9
X, _, _ = make_coupled_blocks(30, {{"a": 6}}, 2, noise=0.2, random_state=0)
folder, copy = Path({str(tmp_path / "folder")!r}), Path({str(tmp_path / "copy")!r})
seen, counts = [], set()
tell = lambda info: seen.append(info.iteration) and None

def run(checkpoint, **params):
    seen.clear()
    model = CoupledNMF(2, tol=0, random_state=0, n_jobs=1, callbacks=tell, checkpoint=checkpoint, max_iter=8)
    return model.set_params(**params).fit_transform(X).tobytes()

expected = run(None)
run(folder, max_iter=4)

def check():
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "CoupledNMF stopped at max_iter")
        assert run(copy) == expected
        counts.add(len(seen))
        assert run(copy) == expected
    assert not seen
    left = [name for name in os.listdir(copy) if "-try-" not in name]
    assert len(left) == 4, f"what a killed process left is gone: {{left}}"

print(kills.each(lambda: run(folder), check), *sorted(counts))
"""
    n_kills, *counts = kills.run(code).split()
    assert int(n_kills) >= 12, "four files are written and renamed, and four removed"
    assert counts == ["0", "4"]


def forged(folder, **changes):
    """A manifest that says something else, with a digest of its own that fits."""
    (path,) = folder.glob("*.json")
    facts = json.loads(path.read_text())
    del facts["digest"]
    for name, value in changes.items():
        facts[name] = value(facts) if callable(value) else value
    write_manifest(Folder(folder), path.name, {name: value for name, value in facts.items() if value != "gone"})


@pytest.mark.not_emulated
@pytest.mark.parametrize(
    "changes",
    [
        {"F": "gone"}, {"rest": "gone"}, {"start": 5}, {"start": "gone"}, {"F": [1]}, {"F": {}}, {"F": None},
        {"rest": {}},
        {"F": lambda facts: {"../secret.npy": "0"}}, {"rest": lambda facts: {"/etc/passwd": "0"}},
        {"rest": lambda facts: facts["F"]}, {"F": lambda facts: facts["rest"]},
    ],
)  # fmt: skip
def test_a_manifest_that_is_whole_and_wrong_is_damaged(X, changes, tmp_path):
    np.save(tmp_path / "secret.npy", np.ones((80, 3)))
    folder = tmp_path / "folder"
    *expected, _ = found(X, checkpoint=folder)
    forged(folder, **changes)
    with pytest.warns(UserWarning, match="the fit is made anew"):
        *after, seen = found(X, checkpoint=folder)
    assert after == expected
    assert len(seen) == 12
    assert (tmp_path / "secret.npy").exists()


@pytest.mark.not_emulated
def test_manifests_of_others_hurt_nobody(X, tmp_path):
    found(X, checkpoint=tmp_path)
    forged(tmp_path, about=[1])
    with pytest.warns(UserWarning, match="of other data"):
        found(X, checkpoint=tmp_path, n_components=2)


@pytest.mark.not_emulated
def test_two_at_once_leave_the_further_one(X, tmp_path, monkeypatch):
    """One that is slower does not remove what another has kept meanwhile."""
    *expected, _ = found(X)
    once = []

    def other(info):
        if info.iteration == 3 and not once:
            once.append(1)
            found(X, checkpoint=tmp_path)

    *after, _ = found(X, checkpoint=tmp_path, callbacks=other)
    assert after == expected
    *again, none = found(X, checkpoint=tmp_path)
    assert (again, none) == (expected, [])


@pytest.mark.not_emulated
def test_ctrl_c_while_the_best_start_before_is_found_again(X, tmp_path, monkeypatch):
    params = {"n_init": 3, "init": "random", "solver": "mu"}
    with monkeypatch.context() as patch:
        lose(patch, 17)
        with pytest.raises(Lost):
            found(X, checkpoint=tmp_path, **params)
    again = best_fit._found_again

    def pressed(*arguments):
        signal.raise_signal(signal.SIGINT)
        return again(*arguments)

    monkeypatch.setattr(best_fit, "_found_again", pressed)
    with pytest.warns(UserWarning, match="was interrupted, and is fitted to iteration 12"):
        *_, seen = found(X, checkpoint=tmp_path, **params)
    assert seen == []


@pytest.mark.not_emulated
def test_numbers_count_by_their_value(X, tmp_path):
    found(X, checkpoint=tmp_path, tol=0)
    *_, none = found(X, checkpoint=tmp_path, tol=0.0)
    assert none == []
