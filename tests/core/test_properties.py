"""What holds of every fit, whatever the data: drawn by hypothesis, the same draws each time."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import CASES
from scipy.sparse import csr_array

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

often = settings(
    derandomize=True, deadline=None, max_examples=40, database=None, suppress_health_check=[HealthCheck.too_slow]
)
cases = st.sampled_from(CASES)
ROUNDING = {"f": 2e-6, "d": 1e-13}  # of J, as part of what it is a difference of


@dataclass
class Problem:
    """Blocks with NaN where something is missing, which samples lack which, a start, and what a fit is to weigh."""

    blocks: dict
    lacks: dict
    F: np.ndarray
    H: dict
    weights: np.ndarray
    alpha: dict
    penalties: dict

    def taken(self, rows):
        """The same with those rows, perhaps more than once."""
        return replace(
            self,
            blocks={name: X[rows] for name, X in self.blocks.items()},
            lacks={name: lacks[rows] for name, lacks in self.lacks.items()},
            F=self.F[rows],
            weights=self.weights[rows],
        )

    def ordered(self, names):
        """The same with those blocks, in that order."""
        parts = (self.blocks, self.lacks, self.H, self.alpha)
        blocks, lacks, H, alpha = ({name: part[name] for name in names} for part in parts)
        return replace(self, blocks=blocks, lacks=lacks, H=H, alpha=alpha)

    def kept(self, sparse):
        """The rows that there are, and whose they are."""
        there = {name: X[~self.lacks[name]] for name, X in self.blocks.items()}
        samples = {name: ~lacks for name, lacks in self.lacks.items()}
        return Blocks({name: csr_array(X) if sparse else X for name, X in there.items()}, samples=samples)


GAPS = ["none", "scattered", "absent", "both"]
WHOLE = 5  # samples that lack no block and have a weight


@st.composite
def problems(draw, gaps=GAPS, dtypes="d", least=1, penalized=True, weighted=True):
    """Data, start and parameters: zeros, gaps, weights and penalties come and go.

    More rows and columns are there than components: where X is fitted exactly, rounding decides what a spare one does.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    n, sizes = draw(st.integers(WHOLE, 14)), draw(st.lists(st.integers(4, 6), min_size=least, max_size=3))
    k, dtype = draw(st.integers(1, 3)), draw(st.sampled_from(dtypes))
    zeros, missing = draw(st.sampled_from([0.0, 0.4])), draw(st.sampled_from(gaps))
    blocks, lacks, H = {}, {}, {}
    for name, size in zip("abc", sizes, strict=False):
        X = rng.gamma(1.0, size=(n, size)) * (rng.uniform(size=(n, size)) >= zeros)
        lacks[name] = (rng.uniform(size=n) < 0.3) & (missing in ("absent", "both"))
        lacks[name][:WHOLE] = False
        if missing in ("scattered", "both"):
            X[:, 1:][rng.uniform(size=(n, size - 1)) < 0.2] = np.nan  # not a whole row: then the block is absent
        X[lacks[name]] = np.nan
        blocks[name] = X.astype(dtype)
        H[name] = rng.uniform(0.2, 1.5, size=(k, size))
    some = weighted and draw(st.booleans())
    weights = rng.integers(0, 3, size=n).astype(float) if some else np.ones(n)
    weights[:WHOLE] = np.maximum(weights[:WHOLE], 1)
    alpha = {name: float(rng.uniform(0.3, 3)) if draw(st.booleans()) else 1.0 for name in blocks}
    strength = draw(st.sampled_from([0.0, 0.01, 0.1])) if penalized else 0.0
    penalties = {"alpha_F": strength, "l1_ratio": draw(st.sampled_from([0.0, 0.5, 1.0]))}
    return Problem(blocks, lacks, rng.uniform(0.2, 1.5, size=(n, k)), H, weights, alpha, penalties)


def fitted(problem, case, X=None, **params):
    """A few plain iterations from the start: the model, and F inside the loop."""
    solver, loss = case
    seen, H = {}, np.hstack(list(problem.H.values()))
    plain = {"init": "custom", "max_iter": 4, "tol": 0, "extrapolate": False}
    params = plain | problem.penalties | {"block_weights": list(problem.alpha.values())} | params
    hear = [lambda info: seen.update(F=info.F.copy())]
    model = CoupledNMF(len(H), solver=solver, beta_loss=loss, callbacks=hear, **params)
    model.fit(Blocks(problem.blocks) if X is None else X, F=problem.F, H=H, sample_weight=problem.weights)
    return model, seen["F"]


def same(found, expected, what, least=0.0):
    """Equal but for rounding, of the largest or of ``least``: J of an exact fit is the rounding of ‖X‖²."""
    size = max(float(np.max(np.abs(expected), initial=least)), 1e-30)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8 * size, err_msg=what)


def same_fit(found, expected, rows=slice(None)):
    """The same H, J and errors, and F of those rows."""
    same(found[0].components_, expected[0].components_, "H")
    same(found[1][rows], expected[1], "F")
    same(found[0].objective_history_, expected[0].objective_history_, "J", least=1.0)
    same(found[0].rmse_ ** 2, expected[0].rmse_ ** 2, "rmse_", least=1.0)


@often
@given(problem=problems(dtypes="fd"), case=cases, sparse=st.booleans(), sweeps=st.integers(1, 3))
def test_the_objective_never_rises(problem, case, sparse, sweeps):
    X = problem.kept(sparse) if sparse else None
    history = np.array(fitted(problem, case, X, max_iter=25, inner_sweeps=sweeps)[0].objective_history_)
    power = 2 if case[1] == "frobenius" else 1
    size = sum(problem.alpha[name] * problem.weights @ np.nansum(X**power, 1) for name, X in problem.blocks.items())
    noise = ROUNDING[next(iter(problem.blocks.values())).dtype.char] * (2 * size + history[0])
    assert np.all(np.diff(history) <= noise), f"J rose by {np.diff(history).max()}, more than its rounding {noise}"


@often
@given(problem=problems(), case=cases, seed=st.integers(0, 99))
def test_the_order_of_rows_and_of_blocks_does_not_matter(problem, case, seed):
    rng, expected = np.random.default_rng(seed), fitted(problem, case)
    rows = rng.permutation(len(problem.F))
    same_fit(fitted(problem.taken(rows), case), (expected[0], expected[1][rows]))
    names = list(rng.permutation(list(problem.blocks)))
    found = fitted(problem.ordered(names), case)
    for name in names:
        same(found[0].block_components_[name], expected[0].block_components_[name], f"H of {name}, blocks as {names}")
    same(found[1], expected[1], f"F, blocks as {names}")


@often
@given(problem=problems(gaps=["none", "absent"]), case=cases, at=st.integers(1, 4))
def test_a_block_in_two_is_the_same_fit(problem, case, at):
    first = next(iter(problem.blocks))
    at = min(at, problem.blocks[first].shape[1])
    split = {}
    for field in ("blocks", "H"):
        parts = dict(getattr(problem, field))
        whole = parts.pop(first)
        split[field] = {"a1": whole[:, :at], **({"a2": whole[:, at:]} if at < whole.shape[1] else {}), **parts}
    for field in ("lacks", "alpha"):
        own = getattr(problem, field)
        split[field] = {name: own.get(name, own[first]) for name in split["blocks"]}
    same_fit(fitted(replace(problem, **split), case), fitted(problem, case))


@often
@given(problem=problems(penalized=False), case=cases, scale=st.sampled_from([0.01, 0.3, 40.0]))
def test_a_block_scaled_and_weighted_back_is_the_same_fit(problem, case, scale):
    first = next(iter(problem.blocks))
    expected = fitted(problem, case)
    scaled = fitted(
        replace(
            problem,
            blocks=problem.blocks | {first: scale * problem.blocks[first]},
            H=problem.H | {first: scale * problem.H[first]},
            alpha=problem.alpha | {first: problem.alpha[first] / scale ** (2 if case[1] == "frobenius" else 1)},
        ),
        case,
    )
    same(scaled[1], expected[1], "F")
    same(scaled[0].objective_history_, expected[0].objective_history_, "J", least=1.0)
    same(scaled[0].block_components_[first] / scale, expected[0].block_components_[first], "H, scaled back")


@often
@given(problem=problems(penalized=False), case=cases)
def test_a_sample_and_a_column_of_nan_change_nothing_for_the_others(problem, case):
    """Which sends X without gaps on the way of X with gaps, too."""
    expected, n, first = fitted(problem, case), len(problem.F), next(iter(problem.blocks))
    longer = replace(
        problem.taken(np.append(np.arange(n), 0)),
        blocks={name: np.vstack([X, np.full((1, X.shape[1]), np.nan)]) for name, X in problem.blocks.items()},
    )
    same_fit(fitted(longer, case), expected, slice(n))
    H = problem.H[first]
    wider = fitted(
        replace(
            problem,
            blocks=problem.blocks | {first: np.column_stack([problem.blocks[first], np.full(n, np.nan)])},
            H=problem.H | {first: np.column_stack([H, np.ones(len(H))])},
        ),
        case,
    )
    place = problem.blocks[first].shape[1]
    assert np.all(wider[0].components_[:, place] == 0), "a column that no sample has is zero"
    same(np.delete(wider[0].components_, place, axis=1), expected[0].components_, "H")
    same(wider[1], expected[1], "F")
    same(wider[0].objective_history_, expected[0].objective_history_, "J", least=1.0)


@often
@given(problem=problems(least=2, penalized=False), case=cases)
def test_a_block_that_no_sample_has_is_as_none(problem, case):
    first, *others = problem.blocks
    without = fitted(problem.ordered(others), case)
    missing = fitted(
        replace(
            problem,
            blocks=problem.blocks | {first: np.full_like(problem.blocks[first], np.nan)},
            lacks=problem.lacks | {first: np.ones(len(problem.F), dtype=bool)},
        ),
        case,
    )
    assert np.all(missing[0].block_components_[first] == 0)
    same(missing[1], without[1], "F")
    same(missing[0].objective_history_, without[0].objective_history_, "J", least=1.0)
    same(missing[0].rmse_ ** 2, without[0].rmse_ ** 2, "rmse_", least=1.0)


@often
@given(problem=problems(), case=cases, together=st.booleans())
def test_sparse_is_dense_and_samples_named_are_rows_of_nan(problem, case, together):
    expected = fitted(problem, case)
    X = Blocks(problem.blocks)
    kinds = {"dense": problem.kept(False), "sparse": problem.kept(True)}
    for kind, same_X in kinds.items():
        same_fit(fitted(problem, case, same_X), expected)
        same(expected[0].transform(same_X), expected[0].transform(X), f"transform, {kind}")
        assert expected[0].score(same_X) == pytest.approx(expected[0].score(X), abs=1e-9)
    if together and not any(lacks.any() for lacks in problem.lacks.values()):  # one sparse array with all blocks
        sizes = {name: block.shape[1] for name, block in problem.blocks.items()}
        same_fit(fitted(problem, case, csr_array(X.to_array()), blocks=sizes), expected)


@often
@given(problem=problems(), case=cases)
def test_whole_weights_are_rows_that_come_as_often(problem, case):
    weights = np.random.default_rng(0).integers(0, 4, size=len(problem.F))
    weights[:WHOLE] = np.maximum(weights[:WHOLE], 1)
    rows = np.repeat(np.arange(len(problem.F)), weights)
    repeated = problem.taken(rows)
    repeated.weights = np.ones(len(rows))
    expected = fitted(replace(problem, weights=weights.astype(float)), case)
    same_fit(fitted(repeated, case), (expected[0], expected[1][rows]))
    X, found = Blocks(problem.blocks), fitted(repeated, case)[0]
    score = found.score(X, sample_weight=weights)
    assert score == pytest.approx(found.score(Blocks(repeated.blocks)), abs=1e-9), "score"


@often
@given(problem=problems(dtypes="fd"), case=cases, sparse=st.booleans())
def test_transform_of_a_row_does_not_depend_on_the_others(problem, case, sparse):
    model = fitted(problem, case)[0]
    X = problem.kept(sparse)
    whole, size = model.transform(X), max(float(np.abs(model.components_).max()), 1e-30)
    for row in (0, len(problem.F) - 1):
        alone = model.transform(X[row : row + 1])
        close = 1e-8 if whole.dtype == np.float64 else 1e-4
        got, expected = alone @ model.components_, whole[row : row + 1] @ model.components_  # F need not be unique
        np.testing.assert_allclose(got, expected, rtol=close, atol=close * size, err_msg=f"row {row}")


@pytest.mark.not_emulated
@settings(often, max_examples=6)
@given(seed=st.integers(0, 99), k=st.integers(1, 3), case=cases, absent=st.booleans())
def test_what_is_hidden_of_planted_data_is_found_again(seed, k, case, absent):
    X, _, _ = make_coupled_blocks(80, {"a": 14, "b": 12}, k, random_state=seed)
    rng = np.random.default_rng(seed)
    hidden = {name: rng.uniform(size=X[name].shape) < 0.1 for name in X.names}
    if absent:
        hidden["b"][rng.uniform(size=80) < 0.2] = True
    gappy = Blocks({name: np.where(hidden[name], np.nan, X[name]) for name in X.names})
    solver, loss = case
    model = CoupledNMF(k, solver=solver, beta_loss=loss, n_init=3, max_iter=3000, tol=1e-8, random_state=0)
    found = model.inverse_transform(model.fit(gappy).transform(gappy))
    for name in X.names:
        error = np.linalg.norm((found[name] - X[name])[hidden[name]]) / np.linalg.norm(X[name][hidden[name]])
        assert error < 0.05, f"{name}: {error:.3f} of what was hidden is not found"


@pytest.mark.not_emulated
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["dense", "gaps", "sparse", "sparse with gaps"])
def test_the_threads_do_not_change_the_bits(case, kind):
    rng = np.random.default_rng(0)
    n, sizes = 2500, {"a": 250, "b": 150}
    blocks = {name: rng.poisson(1.0, size=(n, size)).astype(np.float32) for name, size in sizes.items()}
    samples = {}
    if "gaps" in kind:
        blocks["a"][:, 1:][rng.uniform(size=(n, 249)) < 0.05] = np.nan
        samples["b"] = np.flatnonzero(rng.uniform(size=n) < 0.7)
        blocks["b"] = blocks["b"][samples["b"]]
    if "sparse" in kind:
        blocks = {name: csr_array(X) for name, X in blocks.items()}
    X, (solver, loss) = Blocks(blocks, samples=samples), case
    one, *others = (
        CoupledNMF(5, solver=solver, beta_loss=loss, n_jobs=n_jobs, init="random", max_iter=4, tol=0, random_state=0)
        for n_jobs in (1, 2, 3)
    )
    F = one.fit_transform(X)
    for other in others:
        np.testing.assert_array_equal(other.fit_transform(X), F)
        np.testing.assert_array_equal(other.components_, one.components_)
        assert other.objective_history_ == one.objective_history_
