"""How much of a network is used, and what coupling costs: errors and spectra of each block, beside plainer ways."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from cnn_probe.activations.handover import to_host
from cnn_probe.measures.counting.centroids import k_means_error
from cnn_probe.measures.counting.ratios import ratio
from cnn_probe.measures.spectrum import EXACT, Rows, Spectrum, rows_of, rows_together, spectrum
from cnn_probe.measures.table import Table
from coupled_nmf import Blocks, CoupledNMF, rank_path

#: ``progress(done, total)`` after each block, and after all of them together.
Progress = Callable[[int, int], None]
ALL = "all"


@dataclass(frozen=True)
class BlockUse:
    """What can be said of one block, or of all side by side.

    Attributes
    ----------
    name : str
    width : int
        Features.
    relative_error : float
        ‖X_b − F H_b‖² / ‖X_b‖².
    error_margin : float
        Half of its interval, over the inputs, of about 95%; less where few inputs hold most squares.
    explained_variance : float
        1 − ‖X_b − F H_b‖² / ‖X_b − mean‖²; below 0 where the mean alone explains more, 0 of what never changes.
    spectrum, centred : Spectrum
        Of X_b, and with the mean of each column removed.
    zeros : float
        Part of the entries.
    k_means : float
        Relative error of as many centroids as there are factors.
    separate : ndarray of shape (n_starts,)
        Relative error of NMF of this block alone, of the same rank, from several starts.
    svd_floor : float
        The least relative error of this rank.
    """

    name: str
    width: int
    relative_error: float
    error_margin: float
    explained_variance: float
    spectrum: Spectrum
    centred: Spectrum
    zeros: float
    k_means: float
    separate: NDArray[np.float64]
    svd_floor: float

    @property
    def coupling_costs(self) -> tuple[float, float, float]:
        """Coupled minus separate error: the mean over the separate fits' starts, the least and the most of them."""
        costs = self.relative_error - self.separate
        return float(costs.mean()), float(costs.min()), float(costs.max())

    def row(self) -> dict[str, Any]:
        """A row of the table."""
        cost, least, most = self.coupling_costs
        low, high = self.spectrum.effective_rank_bounds
        return {
            "block": self.name,
            "features": self.width,
            "relative error": self.relative_error,
            "± (about 95%)": self.error_margin,
            "explained variance": self.explained_variance,
            "SVD floor": self.svd_floor,
            "k-means": self.k_means,
            "separate NMF": float(self.separate.mean()),
            "coupling costs": cost,
            "costs at least": least,
            "costs at most": most,
            "effective rank": self.spectrum.effective_rank,
            "effective rank at least": low,
            "effective rank at most": high,
            "effective rank, mean removed": self.centred.effective_rank,
            "effective rank of energies": self.spectrum.effective_rank_of_energies,
            "spectrum error": self.spectrum.error,
            "zeros": self.zeros,
        }


@dataclass(frozen=True)
class NetworkUse:
    """How much of a network is used.

    Attributes
    ----------
    rank, n : int
        Factors, and inputs: an effective rank grows with the inputs, so compare at the same.
    blocks : tuple of BlockUse
    together : BlockUse
        All blocks side by side, with their weights, as the objective sees them.
    untrained : NetworkUse or None
        Of an untrained network of the same shape.
    """

    rank: int
    n: int
    blocks: tuple[BlockUse, ...]
    together: BlockUse
    untrained: NetworkUse | None = None

    def table(self) -> Table:
        """A row a block and one for all; beside the main figures those of the untrained network, where it is given."""
        rows = [block.row() for block in (*self.blocks, self.together)]
        if self.untrained is not None:
            others = (*self.untrained.blocks, self.untrained.together)
            for row, other in zip(rows, (block.row() for block in others), strict=True):
                row |= {
                    f"untrained: {name}": value for name, value in other.items() if name not in ("block", "features")
                }
        return Table({name: [row[name] for row in rows] for name in rows[0]})


def network_use(
    X: Blocks,
    model: CoupledNMF,
    F: NDArray[Any],
    *,
    untrained: NetworkUse | None = None,
    n_starts: int = 3,
    random_state: int = 0,
    exact: int = EXACT,
    progress: Progress | None = None,
) -> NetworkUse:
    """Measure each block of a factorization beside an SVD, k-means and a separate NMF of the same rank.

    A low error says that few patterns are enough for these inputs, not that they are good ones: neat factors come out
    of untrained networks too, at times at a lower error. So give an untrained one beside it.

    Parameters
    ----------
    X : Blocks
        What ``model`` was fitted to: dense or sparse, without missing entries. It is read in chunks of rows.
    model : CoupledNMF
        Fitted; the separate ones have its parameters, but learn all components, from starts of their own.
    F : ndarray of shape (n_samples, k)
        Of that fit.
    untrained : NetworkUse, default=None
        Of an untrained network of the same shape, with the same blocks and rank.
    n_starts : int, default=3
        Of the separate factorizations, whose errors spread.
    random_state : int, default=0
        Seed of these, of k-means and of the randomized SVD.
    exact : int, default=3000
        As of `spectrum`.
    progress : callable, default=None
        ``progress(done, total)`` after each block.

    Returns
    -------
    NetworkUse

    Raises
    ------
    ValueError
        If F is not of these inputs and this model, X has missing entries, n_starts is below 1, or the untrained
        network has other blocks or another rank.

    Examples
    --------
    >>> from coupled_nmf import make_coupled_blocks
    >>> X, _, _ = make_coupled_blocks(60, {"pixels": 20, "relu": 15}, 3, noise=0.1, random_state=0)
    >>> model = CoupledNMF(3, random_state=0)
    >>> table = network_use(X, model, model.fit_transform(X)).table()
    >>> table["block"], all(table["relative error"][row] >= table["SVD floor"][row] for row in range(3))
    (('pixels', 'relu', 'all'), True)
    """
    check_is_fitted(model)
    F = np.asarray(to_host(F), dtype=np.float64)
    k = int(model.n_components_)
    _refuse(X, model, F.shape, k, untrained, n_starts)
    found = []
    for done, (name, rows, own, weights) in enumerate(_parts(X, model), start=1):
        mean = rows.mean()
        if not np.isfinite(mean).all():  # before any fit, which could take long
            raise ValueError(f"block {name!r} has missing or infinite entries; there is no spectrum of such")
        separate = _separate(X.select(list(weights)), model, weights, n_starts, random_state)
        found.append(_block_use(name, rows, mean, F, own, separate, exact, random_state))
        if progress is not None:
            progress(done, len(X.names) + 1)
    return NetworkUse(k, len(X), tuple(found[:-1]), found[-1], untrained)


def _refuse(
    X: Blocks, model: CoupledNMF, shape: tuple[int, ...], k: int, untrained: NetworkUse | None, n_starts: int
) -> None:
    if shape != (len(X), k) or X.names != model.layout_.names:
        raise ValueError(
            f"F of shape {shape} and X of {len(X)} samples and blocks {X.names} are not those of a model of {k} "
            f"components with blocks {model.layout_.names}"
        )
    if n_starts < 1:
        raise ValueError(f"n_starts must be 1 or more, got {n_starts}")
    if untrained is not None and (untrained.rank, [block.name for block in untrained.blocks]) != (k, list(X.names)):
        raise ValueError(
            f"untrained has rank {untrained.rank} and blocks {[block.name for block in untrained.blocks]}; it must "
            f"have rank {k} and blocks {list(X.names)}, as the other"
        )


def _parts(X: Blocks, model: CoupledNMF) -> Iterator[tuple[str, Rows, NDArray[np.float64], dict[str, float]]]:
    """Of each block, then of all together: name, rows, components, and the weights of the blocks that it is of."""
    weights = dict(zip(X.names, map(float, model.block_weights_), strict=True))
    H = {name: np.asarray(to_host(part), np.float64) for name, part in model.block_components_.items()}
    for name in X.names:
        yield name, rows_of(X, name), H[name], {name: 1.0}
    side_by_side = np.concatenate([np.sqrt(weights[name]) * H[name] for name in X.names], axis=1)
    yield ALL, rows_together(X, np.array(list(weights.values()))), side_by_side, weights


def _block_use(
    name: str,
    rows: Rows,
    mean: NDArray[np.float64],
    F: NDArray[np.float64],
    H: NDArray[np.float64],
    separate: NDArray[np.float64],
    exact: int,
    seed: int,
) -> BlockUse:
    errors, squares, zeros = np.zeros(rows.n), np.zeros(rows.n), 0
    for some, part in rows.chunks():
        errors[some] = np.sum((part - F[some] @ H) ** 2, axis=1)
        squares[some] = np.sum(part**2, axis=1)
        zeros += int(np.sum(part == 0))
    of_block = spectrum(rows, exact=exact, first=F.shape[1], seed=seed)
    centred = spectrum(rows.minus(mean), exact=exact, seed=seed)
    relative, margin = ratio(errors, squares)
    return BlockUse(
        name,
        rows.width,
        relative,
        margin,
        1.0 - float(errors.sum()) / centred.energy if centred.energy > 0 else 0.0,
        of_block,
        centred,
        zeros / (rows.n * rows.width),
        k_means_error(rows, F.shape[1], seed),
        separate,
        of_block.floor(F.shape[1]),
    )


def _separate(X: Blocks, model: CoupledNMF, weights: dict[str, float], n_starts: int, seed: int) -> NDArray[np.float64]:
    """Relative errors of NMF of these blocks, of the model's rank, from several starts."""
    k = min(int(model.n_components_), *X.shape)
    base = clone(model).set_params(
        blocks=None, block_weights=weights, fixed_components=None, n_init=1, random_state=seed, callbacks=()
    )
    if isinstance(base.alpha_H, Mapping):
        base.set_params(alpha_H={name: alpha for name, alpha in base.alpha_H.items() if name in weights})
    if base.init == "custom":  # what was given starts a fit of all blocks
        base.set_params(init="auto")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = rank_path(X, [k], n_init=n_starts, estimator=base).fits
    shares = {name: weight * rows_of(X, name).energy() for name, weight in weights.items()}
    total = max(sum(shares.values()), np.finfo(float).tiny)  # not the objective: it may be another loss
    return np.array(
        [sum(share * fit.model.block_relative_error_[name] for name, share in shares.items()) / total for fit in fits]
    )
