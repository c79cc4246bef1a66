"""What runs on a worker: a function over its pieces of X, by the sweeps of one machine, and the sums it returns."""

from __future__ import annotations

import importlib
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.losses.objective import HostBackend
from coupled_nmf.backends.dask.sources import Given, bytes_of, given_again, let_go, open_rows
from coupled_nmf.backends.dask.tree import Nodes, rise
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.partial_block import refuse_other_rows
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.draws import RowSample
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Gaps, Problem
from coupled_nmf.problem.sample_weights import finite_weights
from coupled_nmf.problem.solvers import Rule
from coupled_nmf.system.interrupts import INTERRUPTS


@dataclass(frozen=True)
class Terms:
    """What the pieces' objectives are made by; ``number`` tells one from another."""

    number: str
    loss: str
    alpha: NDArray[np.float64]
    penalties: Penalties
    has_gaps: bool


class PieceObjective(Protocol):
    """A loss on the rows of a piece, whose factors are in memory; as `HostObjective` says."""

    backend: HostBackend

    def move_f(self, rule: Rule, point: Any, F: NDArray[Any], other: NDArray[Any], betas: tuple[float, float]) -> Sums:
        """Move F."""

    def sums_of(self, F: NDArray[Any], H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays."""

    def solved(self, H: NDArray[Any]) -> tuple[NDArray[Any], Sums]:
        """F for a given H, and sums of what is left."""


class Passes(Protocol):
    """What passes over rows of X: as `NumpyBackend`, wherever these are."""

    def look(self, X: TiledMatrix, weights: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Sums]:
        """What rows lack, blocks and other entries, and the sums of `Scan`."""

    def power_pass(self, X: TiledMatrix, basis: NDArray[Any], sample: RowSample) -> NDArray[np.float64]:
        """``basis XᵀX``."""

    def project(self, X: TiledMatrix, basis: NDArray[Any]) -> NDArray[Any]:
        """``X basisᵀ``."""

    def objective(self, loss: str, problem: Problem, penalties: Penalties) -> PieceObjective:
        """That loss on X."""


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
    absent, scattered : ndarray of bool of shape (n_rows, n_blocks) and (n_rows,)
        What is missing, as in `Gaps`; nothing before the scan.

    Attributes
    ----------
    free : list of Sums
        Arrays for the sums of a pass over this piece and those after it. Dask has glibc return what is free to the
        system at once (MALLOC_TRIM_THRESHOLD_), and new arrays cost a page fault for each 4 kB.
    """

    def __init__(
        self,
        number: int,
        X: TiledMatrix,
        weights: NDArray[np.float64],
        absent: NDArray[np.bool_] | None = None,
        scattered: NDArray[np.bool_] | None = None,
    ) -> None:
        self.number, self.X, self.weights = number, X, weights
        self.absent: Any = absent
        self.scattered: Any = scattered
        self.busy = threading.Lock()
        self.free: list[Sums] = []
        self._objective: tuple[str, PieceObjective] | None = None

    def __reduce__(self) -> Any:
        X = self.X
        parts = [given_again(part, X.absent.get(i)) for i, part in enumerate(X.parts)]
        return _sent, (self.number, parts, X.layout, X.dtype, X.first_row, self.weights, self.absent, self.scattered)

    def __sizeof__(self) -> int:
        kept = [self.weights, self.absent, self.scattered, *self.X.parts, *itertools.chain(*self.free)]
        by_columns = 0 if self.X.by_columns is None else self.X.by_columns.n_bytes
        return object.__sizeof__(self) + sum(map(bytes_of, kept)) + by_columns  # by which Dask places tasks, and spills

    def passes(self, backend: NumpyBackend) -> Passes:
        """Who passes over the rows: the device that they are on, or the CPU."""
        if not self.X.on_device:
            return backend
        found: Passes = importlib.import_module("coupled_nmf.backends.dask.on_device").OnDevice(backend)
        return found

    def objective(self, terms: Terms, backend: NumpyBackend) -> PieceObjective:
        """The loss on these rows alone, kept for the next iteration."""
        if self._objective is None or self._objective[0] != terms.number:
            gaps = None
            if terms.has_gaps:  # of all of X, or pieces would be moved in different ways
                nothing = np.zeros((0, len(terms.alpha)), dtype=bool)
                gaps = Gaps(self.absent, self.scattered, nothing, np.zeros(self.X.shape[1], dtype=bool))
            unknown = np.zeros(len(terms.alpha))  # the sums over X are known where the pieces' are added up
            problem = Problem(self.X, terms.alpha, self.weights, unknown, unknown, unknown, gaps)
            self._objective = terms.number, self.passes(backend).objective(terms.loss, problem, terms.penalties)
        objective = self._objective[1]
        objective.backend = backend
        return objective


def _sent(
    number: int,
    parts: list[Given],
    layout: BlockLayout,
    dtype: np.dtype[Any],
    first_row: int,
    weights: NDArray[np.float64],
    absent: NDArray[np.bool_] | None,
    scattered: NDArray[np.bool_] | None,
) -> Piece:
    """A piece that came from another worker."""
    X = TiledMatrix([open_rows(*part) for part in parts], layout, dtype, first_row)
    return Piece(number, X, weights, absent, scattered)


def make_pieces(
    first: int,
    rows: list[slice],
    layout: BlockLayout,
    dtype: np.dtype[Any],
    parts: list[list[Given]],
    weights: list[NDArray[np.float64]],
) -> list[Piece]:
    """Consecutive pieces from the ``first`` on, each of its parts: rows, and of which samples if not of each.

    Raises
    ------
    ValueError
        If the parts have not as many rows as a piece is to have: Dask itself does not look.
    """
    pieces: list[Piece] = []
    for own, expected, w in zip(parts, rows, weights, strict=True):
        X = TiledMatrix([open_rows(*part) for part in own], layout, dtype, expected.start)
        height = expected.stop - expected.start
        refuse_other_rows("X", f"its rows {expected.start} to {expected.stop - 1}", X, (height, X.shape[1]))
        pieces.append(Piece(first + len(pieces), X, finite_weights(w)))
    return pieces


@dataclass(frozen=True)
class Made:
    """What a function returned: something of as many rows for each piece, and nodes of the tree of its sums."""

    rows: list[Any]
    nodes: Nodes

    def row(self, number: int, columns: slice | None) -> Any:
        """The rows of one piece of these; columns: None for all."""
        return self.rows[number] if columns is None else self.rows[number][:, columns]

    def shown(self, number: int, columns: slice | None) -> Any:
        """The same for a callback, whose tasks run beside the fit's: they cannot write to what it goes on from."""
        view = self.row(number, columns).view()
        view.flags.writeable = False
        return view

    def __sizeof__(self) -> int:
        held = [one for some in (self.rows, self.nodes.values()) for own in some for one in _arrays_in(own)]
        return object.__sizeof__(self) + sum(one.nbytes for one in held)


@dataclass(frozen=True)
class Shared:
    """What all tasks of a pass need, where it is large enough to be a task of its own; and of how many bytes it is."""

    arguments: tuple[Any, ...]
    n_bytes: int

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.n_bytes


def _arrays_in(some: Any) -> list[NDArray[Any]]:
    return [one for one in (some if isinstance(some, tuple) else (some,)) if isinstance(one, np.ndarray)]


def marked(pieces: list[Piece], scanned: Made) -> list[Piece]:
    """The same with what the scan found missing."""
    return [Piece(one.number, one.X, one.weights, *found) for one, found in zip(pieces, scanned.rows, strict=True)]


Function = Callable[..., tuple[Any, Sums]]
MOST_FREE = 8  # sums that are kept from pass to pass: enough for 256 pieces


def run(
    function: Function,
    pieces: list[Piece],
    given: Sequence[tuple[Made, slice | None]],
    arguments: tuple[Any, ...] | Shared,
    n_pieces: int,
) -> Made:
    """Call ``function(backend, piece, *rows, *arguments)`` on each piece, with its rows of each that is given.

    It returns an array of the piece's rows, or nothing, and sums; what it is given it leaves as it is.
    """
    rows: list[Any] = []
    nodes: Nodes = {}
    free = pieces[0].free
    arguments = arguments.arguments if isinstance(arguments, Shared) else arguments
    with NumpyBackend(_threads_here(), free) as backend, INTERRUPTS.heard_by(_give_up_if_unwanted()):
        for i, piece in enumerate(pieces):
            own = [made.row(i, columns) for made, columns in given]
            with piece.busy:
                found, sums = function(backend, piece, *own, *arguments)
            for part in piece.X.parts:
                let_go(part)
            rows.append(found)
            nodes[0, piece.number] = sums
            rise(nodes, (0, piece.number), n_pieces, free if backend.takes_free else [])
    del free[:-MOST_FREE]  # the oldest, which may be of another rank
    return Made(rows, nodes)


def _threads_here() -> int:
    """Threads of this worker: it has one task of a pass."""
    return int(importlib.import_module("distributed").get_worker().state.nthreads)


def _give_up_if_unwanted() -> Callable[[], None]:
    """What ends this task between two tiles, once nobody wants it any more: Dask itself ends none that runs."""
    distributed = importlib.import_module("distributed")
    worker = distributed.get_worker()
    key = worker.get_current_task()

    def check() -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise distributed.Reschedule  # nothing to a task that is gone; to one wanted again, a new beginning

    return check


def nodes_of(made: Made) -> Nodes:
    """The sums alone, which travel."""
    return made.nodes
