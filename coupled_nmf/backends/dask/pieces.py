"""What runs on a worker: a function over its pieces of X, by the CPU's own sweeps, and the sums of what it returns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from coupled_nmf.backends.cpu.backend import OBJECTIVES, NumpyBackend
from coupled_nmf.backends.cpu.objective import HostObjective
from coupled_nmf.backends.dask.tree import Nodes, add_up
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.partial_block import PartialBlock
from coupled_nmf.data.tiled_matrix import SparseRows, TiledMatrix
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Gaps, Problem


@dataclass(frozen=True)
class Terms:
    """What the pieces' objectives are made by; ``number`` tells one from another."""

    number: str
    loss: str
    alpha: NDArray[np.float64]
    penalties: Penalties
    has_gaps: bool


class Piece:
    """Some consecutive rows of X, and what is kept beside them.

    Parameters
    ----------
    number : int
        Which piece it is.
    X : TiledMatrix
        Its rows.
    weights : ndarray of shape (n_rows,) or (0,)
        Their weights.
    """

    def __init__(self, number: int, X: TiledMatrix, weights: NDArray[np.float64]) -> None:
        self.number, self.X, self.weights = number, X, weights
        self.absent, self.scattered = X.absent_blocks(), np.zeros(X.shape[0], dtype=bool)
        self.busy = threading.Lock()
        self._objective: tuple[str, HostObjective] | None = None

    def __reduce__(self) -> Any:
        X = self.X
        parts = [
            _open(*as_given(part, X.absent.get(i))) if isinstance(part, SparseRows) else part
            for i, part in enumerate(X.parts)
        ]
        return _sent, (self.number, parts, X.layout, X.dtype, X.first_row, self.weights, self.absent, self.scattered)

    def objective(self, terms: Terms, backend: NumpyBackend) -> HostObjective:
        """The loss on these rows alone, kept for the next iteration."""
        if self._objective is None or self._objective[0] != terms.number:
            gaps = None
            if terms.has_gaps:  # of all of X, or pieces would be moved in different ways
                nothing = np.zeros((0, len(terms.alpha)), dtype=bool)
                gaps = Gaps(self.absent, self.scattered, nothing, np.zeros(self.X.shape[1], dtype=bool))
            unknown = np.zeros(len(terms.alpha))  # the sums over X are known where the pieces' are added up
            problem = Problem(self.X, terms.alpha, self.weights, unknown, unknown, unknown, gaps)
            self._objective = terms.number, OBJECTIVES[terms.loss](problem, terms.penalties, backend)
        objective = self._objective[1]
        objective.backend = backend
        return objective


def as_given(part: SparseRows, absent: NDArray[np.bool_] | None) -> tuple[Any, NDArray[np.int64] | None]:
    """The rows that are there, as SciPy's array, and which of them each sample has, if some have none."""
    rows = csr_array((part.data, part.indices, part.indptr), shape=(len(part), part.width))
    return (rows, None) if absent is None else (rows[~absent], places_of(absent))


def places_of(absent: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The row that each sample has, of as many as have one; -1 for none."""
    return np.where(absent, -1, np.cumsum(~absent) - 1)


def _sent(
    number: int,
    parts: list[Any],
    layout: BlockLayout,
    dtype: np.dtype[Any],
    first_row: int,
    weights: NDArray[np.float64],
    absent: NDArray[np.bool_],
    scattered: NDArray[np.bool_],
) -> Piece:
    """A piece that came from another worker."""
    piece = Piece(number, TiledMatrix(parts, layout, dtype, first_row), weights)
    piece.absent, piece.scattered = absent, scattered
    return piece


def make_pieces(
    first: int,
    parts: list[list[tuple[Any, NDArray[np.int64] | None]]],
    first_rows: list[int],
    layout: BlockLayout,
    dtype: np.dtype[Any],
    weights: list[NDArray[np.float64]],
) -> list[Piece]:
    """Consecutive pieces from the ``first`` on, each of its parts: rows, and of which samples if not of each."""
    return [
        Piece(first + i, TiledMatrix([_open(*part) for part in own], layout, dtype, row), w)
        for i, (own, row, w) in enumerate(zip(parts, first_rows, weights, strict=True))
    ]


class StoredRows:
    """Some rows of what lies outside memory, read tile by tile wherever this is."""

    ndim = 2

    def __init__(self, source: Any, rows: slice) -> None:
        self.source, self.first, self.dtype = source, rows.start, source.dtype
        self.shape = (rows.stop - rows.start, int(source.shape[1]))
        self.chunks = getattr(source, "chunks", None)

    def __getitem__(self, rows: slice) -> Any:
        return self.source[self.first + rows.start : self.first + rows.stop]


def _open(rows: Any, places: NDArray[np.int64] | None) -> Any:
    rows = rows.open() if isinstance(rows, MappedRows) else rows
    return rows if places is None else PartialBlock(rows, places)


@dataclass(frozen=True)
class MappedRows:
    """Rows of a file that each worker maps into its own memory."""

    path: str
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, int]

    def open(self) -> NDArray[Any]:
        """The rows, read as they are looked at."""
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)


@dataclass(frozen=True)
class Made:
    """What a function returned: something of as many rows for each piece, and nodes of the tree of its sums."""

    rows: list[Any]
    nodes: Nodes


Function = Callable[..., tuple[Any, Sums]]


def run(
    function: Function,
    pieces: list[Piece],
    given: Sequence[tuple[Made, slice | None]],
    arguments: tuple[Any, ...],
    n_pieces: int,
    n_threads: int,
) -> Made:
    """Call ``function(backend, piece, *rows, *arguments)`` on each piece, with its rows of each that is given.

    It returns an array of the piece's rows, or nothing, and sums; what it is given it leaves as it is.
    """
    rows, nodes = [], {}
    with NumpyBackend(n_threads) as backend:
        for i, piece in enumerate(pieces):
            own = [made.rows[i] if columns is None else made.rows[i][:, columns] for made, columns in given]
            with piece.busy:
                found, sums = function(backend, piece, *own, *arguments)
            rows.append(found)
            nodes[0, piece.number] = sums
    return Made(rows, add_up([nodes], n_pieces))


def nodes_of(made: Made) -> Nodes:
    """The sums alone, which travel."""
    return made.nodes


def add_nodes(n_pieces: int, *some: Nodes) -> Nodes:
    """Those of several workers, added."""
    return add_up(some, n_pieces)
