"""Does it hold: the factors of a fit, found again from other starts and from halves of the inputs, or not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from cnn_probe.activations.handover import to_host
from cnn_probe.measures.comparing.matching import Matching, match
from cnn_probe.measures.table import Table
from coupled_nmf import Blocks, CoupledNMF, RankFit, rank_path

#: ``progress(done, total)`` after each fit.
Progress = Callable[[int, int], None]
KINDS = ("starts", "halves")


@dataclass(frozen=True)
class FactorStability:
    """How far the factors of a fit come out again.

    Each similarity is the cosine of a factor's column of F with that of the factor that it is matched with.

    Attributes
    ----------
    starts : ndarray of shape (n_starts, k)
        In fits to the same inputs from other random states.
    halves : ndarray of shape (2 * n_splits, k)
        In fits to half of the inputs, whose F of the other half is compared.
    threshold_starts, threshold_halves : ndarray of shape (k,)
        Halfway between 1 and what a factor's match reaches by chance, by the largest of chance over these fits: below
        it the factor did not come out again. Chance is what matches reach where the rows of F are shuffled, in 19 of
        20 shuffles: near 0.3 for a factor of few inputs, near 1 for one that is in all of them.
    rmse_starts : ndarray of shape (n_starts,)
        RMSE of each of the other starts.
    """

    starts: NDArray[np.float64]
    halves: NDArray[np.float64]
    threshold_starts: NDArray[np.float64]
    threshold_halves: NDArray[np.float64]
    rmse_starts: NDArray[np.float64]

    @property
    def mean_starts(self) -> NDArray[np.float64]:
        """Mean similarity of each factor over the starts."""
        return _over(np.mean, self.starts)

    @property
    def least_starts(self) -> NDArray[np.float64]:
        """The lowest."""
        return _over(np.min, self.starts)

    @property
    def mean_halves(self) -> NDArray[np.float64]:
        """Mean similarity of each factor over the halves."""
        return _over(np.mean, self.halves)

    @property
    def least_halves(self) -> NDArray[np.float64]:
        """The lowest."""
        return _over(np.min, self.halves)

    @property
    def again(self) -> NDArray[np.float64]:
        """Part of all these fits in which each factor comes out again."""
        found = [self.starts >= self.threshold_starts, self.halves >= self.threshold_halves]
        return np.asarray(np.mean(np.concatenate(found), axis=0))

    @property
    def holds(self) -> NDArray[np.bool_]:
        """Whether each factor comes out of every one of these fits again; none without halves of the inputs."""
        return (self.again == 1) & (len(self.halves) > 0)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Say "holds", "not in every fit", or, where it is in less than half of them, "does not come out again".

        Without halves of the inputs the first is "comes out of other starts", and no more: that the same inputs are
        taken apart alike is often so of numbers without any structure.
        """
        best = "holds" if len(self.halves) else "comes out of other starts"
        return tuple(
            best if part == 1 else "not in every fit" if part >= 0.5 else "does not come out again"
            for part in self.again
        )

    @property
    def counts(self) -> tuple[str, ...]:
        """Say in how many of the starts and halves each factor comes out again, as "5 of 5 starts, 4 of 6 halves"."""
        found = []
        for factor in range(len(self.threshold_starts)):
            parts = []
            for kind in KINDS:
                values, threshold = getattr(self, kind)[:, factor], getattr(self, f"threshold_{kind}")[factor]
                parts += [f"{int(np.sum(values >= threshold))} of {len(values)} {kind}"] if len(values) else []
            found.append(", ".join(parts))
        return tuple(found)

    def table(self) -> Table:
        """A row a factor."""
        named: dict[str, Any] = {"factor": range(len(self.threshold_starts))}
        for kind in KINDS:
            for what in ("mean", "least", "threshold"):
                named[f"{what} of {kind}"] = getattr(self, f"{what}_{kind}")
        return Table(named | {"again": self.again, "verdict": self.verdicts})


def factor_stability(
    X: Blocks,
    model: CoupledNMF,
    F: NDArray[Any],
    *,
    n_starts: int = 5,
    n_splits: int = 3,
    random_state: int = 0,
    n_shuffles: int = 100,
    progress: Progress | None = None,
) -> FactorStability:
    """Fit again from other starts and to halves of the inputs, and see which factors come out again.

    A factor that does not hold may be one of several ways to take the same activations apart, and is not to be read
    for itself. One that holds need mean nothing of training: neat factors come out of untrained networks, too. Of few
    columns, fewer than three times the factors, random numbers have factors that hold: it says only that there is one
    way to take them apart.

    Parameters
    ----------
    X : Blocks
        What ``model`` was fitted to.
    model : CoupledNMF
        Fitted; the others have its parameters and block weights, but where it was given its
        start (``init="custom"``) they have the default.
    F : ndarray of shape (n_samples, k)
        Of that fit.
    n_starts : int, default=5
        Fits from other random states; 0 for none.
    n_splits : int, default=3
        Ways to cut the inputs in two, with two fits each; 0 for none, and then no factor is said to hold.
    random_state : int, default=0
        Seed of the starts, of the halves and of the shuffles.
    n_shuffles : int, default=100
        As of `match`.
    progress : callable, default=None
        ``progress(done, total)`` after each fit. Ctrl-C comes out as KeyboardInterrupt.

    Returns
    -------
    FactorStability

    Raises
    ------
    ValueError
        If F is not of these inputs and this model, a half has fewer inputs than there are factors, or nothing is asked
        for.

    Examples
    --------
    >>> from coupled_nmf import make_coupled_blocks
    >>> X, _, _ = make_coupled_blocks(80, {"pixels": 30, "relu": 20}, 3, noise=0.1, random_state=0)
    >>> model = CoupledNMF(3, random_state=0)
    >>> factor_stability(X, model, model.fit_transform(X), n_starts=3, n_splits=2).table()["verdict"]
    ('holds', 'holds', 'holds')
    """
    base = _unfitted(X, model)
    k = int(base.n_components)
    _refuse(X, np.shape(F), k, n_starts, n_splits)
    total = n_starts + 2 * n_splits
    generator = np.random.default_rng(random_state)
    found: dict[str, list[Matching]] = {kind: [] for kind in KINDS}
    rmse: list[float] = []
    fits = _fits(X, base, n_starts, n_splits, generator, rmse)
    for done, (kind, rows, other) in enumerate(fits, start=1):
        found[kind].append(match(np.asarray(F)[rows], other, n_shuffles=n_shuffles, random_state=random_state))
        if progress is not None:
            progress(done, total)
    similarity = {kind: np.array([np.nan_to_num(one.cosines) for one in found[kind]]).reshape(-1, k) for kind in KINDS}
    threshold = {
        kind: np.max([one.threshold for one in found[kind]], axis=0) if found[kind] else np.full(k, np.nan)
        for kind in KINDS
    }
    return FactorStability(
        similarity["starts"], similarity["halves"], threshold["starts"], threshold["halves"], np.array(rmse)
    )


def refits(
    X: Blocks, model: CoupledNMF, n_starts: int, *, random_state: int = 0, progress: Progress | None = None
) -> tuple[NDArray[Any], ...]:
    """F of fits to the same X from other random states, as `compare` takes them.

    Parameters
    ----------
    X : Blocks
        What ``model`` was fitted to.
    model : CoupledNMF
        Fitted. Every parameter of the others but ``random_state`` and ``callbacks`` is this model's, and so are the
        block weights; one that was given its start (``init="custom"``) is begun as by ``init="auto"``.
    n_starts : int
        How many.
    random_state : int, default=0
        Their seed.
    progress : callable, default=None
        ``progress(done, total)`` after each fit.

    Returns
    -------
    tuple of ndarray of shape (n_samples, k)

    Examples
    --------
    >>> from coupled_nmf import make_coupled_blocks
    >>> X, _, _ = make_coupled_blocks(40, {"pixels": 20, "relu": 10}, 3, random_state=0)
    >>> model = CoupledNMF(3, random_state=0).fit(X)
    >>> [F.shape for F in refits(X, model, 2)]
    [(40, 3), (40, 3)]
    """
    base, found = _unfitted(X, model), []
    for other in _starts(X, base, n_starts, np.random.default_rng(random_state)):
        found.append(to_host(other.F))
        if progress is not None:
            progress(len(found), n_starts)
    return tuple(found)


def _unfitted(X: Blocks, model: CoupledNMF) -> CoupledNMF:
    """The same once more, with its weights; a start that was given would be the same each time."""
    check_is_fitted(model)
    weights = dict(zip(X.names, map(float, model.block_weights_), strict=True))
    base = clone(model).set_params(n_components=int(model.n_components_), blocks=None, block_weights=weights)
    return base.set_params(init="auto") if base.init == "custom" else base


def _fits(
    X: Blocks, base: CoupledNMF, n_starts: int, n_splits: int, generator: np.random.Generator, rmse: list[float]
) -> Iterator[tuple[str, NDArray[np.int64], NDArray[Any]]]:
    """Of each fit, its kind, the rows that are compared, and its F of them; ``rmse`` takes those of the starts."""
    for fit in _starts(X, base, n_starts, generator):
        rmse.append(fit.rmse)
        yield "starts", np.arange(len(X)), to_host(fit.F)
    for _ in range(n_splits):
        order = generator.permutation(len(X))
        first, second = np.sort(order[: len(X) // 2]), np.sort(order[len(X) // 2 :])
        for fitted, other in ((first, second), (second, first)):
            fit = _fit(X[fitted], base, generator)
            yield "halves", other, to_host(fit.model.transform(X[other]))


def _starts(X: Blocks, base: CoupledNMF, n_starts: int, generator: np.random.Generator) -> Iterator[RankFit]:
    for _ in range(n_starts):
        yield _fit(X, base, generator)


def _fit(X: Blocks, base: CoupledNMF, generator: np.random.Generator) -> RankFit:
    """A fit from a start of its own. Not `fit`, which Ctrl-C ends with what it has: it comes out of `rank_path`."""
    estimator = clone(base).set_params(random_state=int(generator.integers(2**31)), callbacks=())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # such fits spread more, which is what is measured
        return rank_path(X, [int(base.n_components)], estimator=estimator).fits[0]


def _refuse(X: Blocks, shape: tuple[int, ...], k: int, n_starts: int, n_splits: int) -> None:
    if shape != (len(X), k):
        raise ValueError(f"F has shape {shape}, but X has {len(X)} samples and the model {k} components")
    if n_starts < 0 or n_splits < 0 or n_starts + n_splits == 0:
        raise ValueError(f"n_starts={n_starts} and n_splits={n_splits} must be 0 or more, and not both 0")
    if n_splits and len(X) // 2 < k:
        raise ValueError(f"half of {len(X)} inputs are fewer than the {k} components; take n_splits=0, or more inputs")


def _over(how: Callable[..., Any], similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each factor, over the fits; NaN without any."""
    return np.asarray(how(similarity, axis=0) if len(similarity) else np.full(similarity.shape[1], np.nan))
