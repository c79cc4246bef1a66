"""Singular values of a block, read by rows: by the gram matrix of its smaller side, or, of large blocks, the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from cnn_probe.activations.handover import to_host
from cnn_probe.measures.diagnostics import effective_rank, effective_rank_of_energies
from coupled_nmf import Blocks

EXACT = 3000  # side of the largest gram matrix that is taken apart: 72 MB
FIRST, BEYOND, POWERS, PROBES = 200, 20, 3, 10  # of the randomized SVD; with 10 probes its bound fails once in 1e10
ENTRIES = 2**23  # read at a time


@dataclass(frozen=True)
class Rows:
    """A matrix that is read by rows, in float64.

    Attributes
    ----------
    n, width : int
    read : callable
        The rows of a slice.
    """

    n: int
    width: int
    read: Callable[[slice], NDArray[np.float64]]

    def chunks(self, entries: int | None = None) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """All rows, some at a time: about 8 million entries, unless another number is given."""
        step = max(1, (entries or ENTRIES) // self.width)
        for start in range(0, self.n, step):
            rows = slice(start, min(start + step, self.n))
            yield rows, self.read(rows)

    def mean(self) -> NDArray[np.float64]:
        """Mean of each column."""
        return np.asarray(sum((part.sum(axis=0) for _, part in self.chunks()), np.zeros(self.width)) / self.n)

    def minus(self, mean: NDArray[np.float64]) -> Rows:
        """The same with a row subtracted from each."""
        return Rows(self.n, self.width, lambda rows: self.read(rows) - mean)

    def energy(self) -> float:
        """Sum of the squares."""
        return float(sum(np.vdot(part, part) for _, part in self.chunks()))


def rows_of(X: Blocks, name: str) -> Rows:
    """A block of X, wherever it is."""
    return Rows(len(X), X[name].shape[1], lambda rows: _dense(X[name][rows]))


def rows_together(X: Blocks, weights: NDArray[np.float64]) -> Rows:
    """All blocks side by side, each by the root of its weight, as the objective sees them."""

    def read(rows: slice) -> NDArray[np.float64]:
        parts = [np.sqrt(weight) * _dense(X[name][rows]) for name, weight in zip(X.names, weights, strict=True)]
        return np.concatenate(parts, axis=1)

    return Rows(len(X), X.shape[1], read)


def rows_side_by_side(X: Blocks, names: Sequence[str]) -> Rows:
    """Some blocks of X side by side, as they are."""
    width = sum(X[name].shape[1] for name in names)
    return Rows(len(X), width, lambda rows: np.concatenate([_dense(X[name][rows]) for name in names], axis=1))


def _dense(part: Any) -> NDArray[np.float64]:
    part = to_host(part)
    return np.asarray(part.toarray() if hasattr(part, "toarray") else part, dtype=np.float64)


@dataclass(frozen=True)
class Spectrum:
    """Singular values of a matrix.

    Attributes
    ----------
    values : ndarray of shape (r,)
        Falling: all, or the first 200 of a matrix whose smaller side is above 3,000.
    energy : float
        Sum of the squares of all.
    n_values : int
        How many there are.
    error : float
        By how much one of ``values`` may be too small, as a part of the first; 0 where all were found from the gram
        matrix, which leaves rounding of about 1e-8 of the first.
    """

    values: NDArray[np.float64]
    energy: float
    n_values: int
    error: float = 0.0

    @property
    def effective_rank(self) -> float:
        """Exp of the entropy of the singular values' shares (Roy and Vetterli 2007).

        Where only the first are known, halfway between the least and the most that the rest can make of it.
        """
        return float(np.mean(self.effective_rank_bounds))

    @property
    def effective_rank_bounds(self) -> tuple[float, float]:
        """The same with what is not known as few values as there can be, and as many."""
        return effective_rank(self._completed(few=True)), effective_rank(self._completed(few=False))

    @property
    def effective_rank_of_energies(self) -> float:
        """The same with squared singular values, which the large ones rule; of those that are known."""
        return effective_rank_of_energies(self.values)

    def floor(self, rank: int) -> float:
        """The least relative error that any factorization of this rank can have."""
        if self.energy <= 0:
            return 0.0
        return max(0.0, 1.0 - float(np.sum(self.values[:rank] ** 2)) / self.energy)

    def _completed(self, few: bool) -> NDArray[np.float64]:
        """The values, and what their squares lack of the energy: in values like the last, or all alike."""
        lacking, others = self.energy - float(np.sum(self.values**2)), self.n_values - len(self.values)
        if others == 0 or lacking <= 0 or self.values[-1] <= 0:
            return self.values
        number = min(others, max(1, round(lacking / self.values[-1] ** 2))) if few else others
        return np.concatenate([self.values, np.full(number, np.sqrt(lacking / number))])


def spectrum(rows: Rows, *, exact: int = EXACT, first: int = FIRST, seed: int = 0) -> Spectrum:
    """The singular values of a matrix that is read by rows, in several passes.

    Parameters
    ----------
    rows : Rows
    exact : int, default=3000
        Up to this smaller side all are found, from its gram matrix; beyond it the first 200 are, by a randomized SVD
        whose error is said.
    first : int, default=200
        How many it finds, 200 at least: a floor of a higher rank needs more.
    seed : int, default=0
        Of the randomized SVD.
    """
    n_values = min(rows.n, rows.width)
    energy = rows.energy()
    if n_values <= exact:
        gram = _gram(rows) if rows.width <= rows.n else _gram_of_samples(rows)
        return Spectrum(np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)), energy, n_values)
    values, error = _first_values(rows, max(first, FIRST), np.random.default_rng(seed))
    return Spectrum(values, energy, n_values, error)


def right_vectors(rows: Rows, rank: int, *, exact: int = EXACT, seed: int = 0) -> NDArray[np.float64]:
    """The first right singular vectors of a matrix that is read by rows, as columns, (width, rank).

    Their product with the matrix, and with their transpose, is its best approximation of that rank. There are no more
    than the smaller side is long.

    Parameters
    ----------
    rows : Rows
    rank : int
    exact : int, default=3000
        Up to this smaller side they are found from its gram matrix; beyond it by a randomized SVD with power
        iterations.
    seed : int, default=0
        Of the randomized SVD.
    """
    side = min(rows.n, rows.width)
    rank = min(rank, side)
    if side > exact:
        Q = _range(rows, min(rank + BEYOND, side), np.random.default_rng(seed))
        return np.asarray(np.linalg.svd(_transposed_times(rows, Q), full_matrices=False)[0][:, :rank])
    largest = (side - rank, side - 1)
    if rows.width <= rows.n:
        return np.asarray(eigh(_gram(rows), subset_by_index=largest)[1][:, ::-1])
    left = eigh(_gram_of_samples(rows), subset_by_index=largest)[1][:, ::-1]
    return np.linalg.qr(_transposed_times(rows, left))[0]


def _gram(rows: Rows) -> NDArray[np.float64]:
    return np.asarray(sum((part.T @ part for _, part in rows.chunks()), np.zeros((rows.width, rows.width))))


def _gram_of_samples(rows: Rows) -> NDArray[np.float64]:
    gram = np.zeros((rows.n, rows.n))
    for some, part in rows.chunks(8 * ENTRIES):  # all is read once for each of these
        for others, other in rows.chunks():
            gram[some, others] = part @ other.T
    return gram


def _first_values(rows: Rows, first: int, generator: np.random.Generator) -> tuple[NDArray[np.float64], float]:
    """The first singular values (Halko, Martinsson and Tropp 2011, algorithm 4.4), and their bound by its (4.3)."""
    Q = _range(rows, min(first + BEYOND, rows.n, rows.width), generator)
    values = np.linalg.svd(_transposed_times(rows, Q), compute_uv=False)[:first]
    probed = _times(rows, generator.normal(size=(rows.width, PROBES)))
    missed = np.linalg.norm(probed - Q @ (Q.T @ probed), axis=0).max()
    return np.asarray(values, dtype=np.float64), float(
        10 * np.sqrt(2 / np.pi) * missed / max(values[0], np.finfo(float).tiny)
    )


def _range(rows: Rows, width: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """An orthonormal basis, (n, width), of about what the first singular vectors span."""
    Q = np.linalg.qr(_times(rows, generator.normal(size=(rows.width, width))))[0]
    for _ in range(POWERS):
        Q = np.linalg.qr(_times(rows, np.linalg.qr(_transposed_times(rows, Q))[0]))[0]
    return Q


def _times(rows: Rows, right: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([part @ right for _, part in rows.chunks()])


def _transposed_times(rows: Rows, left: NDArray[np.float64]) -> NDArray[np.float64]:
    start = np.zeros((rows.width, left.shape[1]))
    return np.asarray(sum((part.T @ left[some] for some, part in rows.chunks()), start))
