"""How F moves where all of X is sparse: X is held by rows and by columns, and no tile's sums are as wide as X."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.kernels import compiled, rule_of
from coupled_nmf.backends.cpu.moves.route import Point
from coupled_nmf.backends.cpu.tile_step import TILES, ColumnStep, Sweeps, TileStep, gate, rows_in
from coupled_nmf.data.tile_heights import STORED_A_COLUMN, tile_rows
from coupled_nmf.data.tiled_matrix import SparseRows, Tile, TiledMatrix
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import Rule

LINE = 64  # bytes
COLUMN_BLOCK = 8192  # samples of a block, at least: their rows of G stay in a second cache


def pays_by_columns(X: TiledMatrix) -> bool:
    """Whether X is sparse, and a row of G for each sample is less than sums as wide as X for each tile."""
    if not all(isinstance(part, SparseRows) for part in X.parts):
        return False
    n_tiles = -(-X.shape[0] // tile_rows(X))
    return n_tiles * X.shape[1] > X.shape[0]


def turned_room(n: int, k: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros of shape (n, k or more), where each row begins a line of memory."""
    stride = -(-k * dtype.itemsize // LINE) * LINE // dtype.itemsize
    numbers = np.zeros(n * stride + LINE // dtype.itemsize, dtype)
    first = -numbers.ctypes.data % LINE // dtype.itemsize
    return numbers[first : first + n * stride].reshape(n, stride)


@dataclass
class MoveSparseF(TileStep):
    """As `MoveF`, by ``turned``, R with a row for each column; FᵀX is summed later, from what is written to G."""

    X: TiledMatrix
    rule: Rule
    turned: NDArray[Any]
    gram: NDArray[Any]
    beta: float
    next_beta: float
    l1: float = 0.0
    l2: float = 0.0

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the sums: FᵀF, the rows' energies and the penalty."""
        return [self.gram.shape, (2,)]

    @property
    def depth(self) -> int:
        """The rank."""
        return len(self.gram)

    def __call__(
        self,
        tile: Tile,
        rows: slice,
        F: NDArray[Any],
        other: NDArray[Any],
        G: NDArray[Any],
        weights: NDArray[np.float64],
    ) -> Sums:
        """Move one tile's rows of F."""
        sums = np.empty_like(self.gram), np.zeros(2)
        compiled.move_sparse_tile(
            *rule_of(self.rule), gate(self.X, tile), self.turned, self.gram, self.l1, self.l2, F, other, self.beta,
            self.next_beta, weights, G, *sums,
        )  # fmt: skip
        return sums


@dataclass
class SumColumns(ColumnStep):
    """Write (Xᵀ G)ᵀ to ``FtX``; ``turned_X`` is Xᵀ as compiled code takes it."""

    turned_X: Any
    G: NDArray[Any]
    FtX: NDArray[np.float64]
    work: int

    def __post_init__(self) -> None:
        self.shapes = []

    def __call__(self, columns: slice) -> Sums:
        """Sum for those columns."""
        compiled.sum_columns(self.turned_X, self.G, columns.start, columns.stop, self.FtX)
        return ()


def by_columns(tile: Tile) -> SparseRows:
    """What a tile of sparse parts holds, turned: a row for each of its columns."""
    arrays = [part.to_scipy().tocsc() for part in tile if isinstance(part, SparseRows)]
    if len(arrays) == 1:
        data, indices, begins = arrays[0].data, arrays[0].indices, arrays[0].indptr
    else:
        data, indices = (np.concatenate([getattr(one, name) for one in arrays]) for name in ("data", "indices"))
        before = np.cumsum([0, *(one.nnz for one in arrays)])
        begins = np.concatenate([[0], *(one.indptr[1:] + n for one, n in zip(arrays, before, strict=False))])
    return SparseRows(data, indices.astype(np.int32, copy=False), begins.astype(np.int64), rows_in(tile))


def _hold_by_columns(X: TiledMatrix, backend: Sweeps) -> Any:
    """Xᵀ as compiled code takes it: its parts are blocks of samples, each turned on a thread.

    A block says for each feature where its entries begin. Where those are few, blocks are taller, or that would be more
    than the entries.
    """
    n_samples, width = X.shape
    height = max(COLUMN_BLOCK, STORED_A_COLUMN * n_samples * width // max(X.stored, 1))
    starts = range(0, n_samples, height)
    blocks: list[Any] = [None] * len(starts)

    def turn(number: int) -> None:
        rows = slice(starts[number], min(starts[number] + height, n_samples))
        blocks[number] = by_columns(X.tile(rows))

    backend.for_each(turn, len(starts))
    held = TILES[X.dtype.char](width)
    for start, block in zip(starts, blocks, strict=True):
        held.add_sparse(block.data, block.indices, block.indptr, start, block.width)
    return held


class SparseMoves:
    """Moves of F on an X that is held twice, and what they keep from one sweep to the next.

    Xᵀ stays with X, and takes about as much memory. G, where rows of F end, and R have a row for each sample and each
    feature, in whole lines; they stay with the backend: for a fit, or for a pass over a worker's pieces of X.
    """

    def __init__(self) -> None:
        self._turned = self._G = np.empty((0, 0))
        self._of: NDArray[Any] | None = None

    def room_for(self, R: NDArray[Any]) -> NDArray[Any]:
        """What whoever makes R writes it to as well, turned."""
        (k, n), turned = R.shape, self._turned
        if len(turned) != n or turned.shape[1] < k or turned.dtype != R.dtype:
            self._turned = turned_room(n, k, R.dtype)
        self._of = R
        return self._turned

    def turned(self, R: NDArray[Any]) -> NDArray[Any]:
        """R, turned; nothing is done where it was written so when it was made."""
        if self._of is not R:
            compiled.turn_over(R, self.room_for(R))
        return self._turned

    def sweep(
        self,
        backend: Sweeps,
        step: MoveSparseF,
        F: NDArray[Any],
        other: NDArray[Any],
        weights: NDArray[np.float64],
    ) -> Sums:
        """Move F; return FᵀX, FᵀF and two numbers, as `MoveF` sums them."""
        X, k = step.X, step.depth
        if X.by_columns is None:
            X.by_columns = _hold_by_columns(X, backend)
        if len(self._G) < len(F) or self._G.shape[1] < k or self._G.dtype != X.dtype:
            self._G = turned_room(len(F), k, X.dtype)
        G, shapes = self._G[: len(F)], step.shapes
        FtF, extras = backend.sweep(X, step, F, other, G, weights)
        FtX = backend.totals([(k, X.shape[1]), *shapes])[0]  # of the shapes that come back free, or none would do
        backend.sweep_columns(X.shape[1], SumColumns(X.by_columns, G, FtX, X.stored * k))
        return FtX, FtF, extras


class ByColumns:
    """The route for an X that is held twice."""

    def __init__(self, problem: Problem, penalties: Penalties, sweeps: Sweeps, kept: SparseMoves) -> None:
        self._problem, self._penalties, self._sweeps, self._kept = problem, penalties, sweeps, kept

    def move(self, rule: Rule, point: Point, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Sums:
        """Move F, see `Route`."""
        X, l1, l2 = self._problem.X, self._penalties.l1_F, self._penalties.l2_F
        step = MoveSparseF(X, rule, self._kept.turned(point.R), point.gram(l2), *betas, l1, l2)
        return self._kept.sweep(self._sweeps, step, F, other, self._problem.weights)
