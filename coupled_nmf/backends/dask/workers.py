"""X on the workers of a cluster, and functions run over its pieces there.

Each worker holds consecutive pieces of X, and what has a row for each sample; a pass is one task a worker, whose sums
are added along a tree over the pieces. A task makes new rows and writes to none, so that Dask can make again what a
worker that died held.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.dask import steps
from coupled_nmf.backends.dask.cluster import Cluster
from coupled_nmf.backends.dask.cut import CutPart, cut, cut_weights, groups_of
from coupled_nmf.backends.dask.pieces import Function, Made, Shared, make_pieces, marked, nodes_of, run
from coupled_nmf.backends.dask.rows import Rows
from coupled_nmf.backends.dask.tree import add_up, root_of
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.draws import DrawnF

LARGE_ARGUMENTS = 2_000_000  # bytes, for all tasks of a pass, from which what they need is a task of its own
FAN = 4  # sums that a task adds up: fewer tasks and fewer one after the other than by two, and little to hold at once


def _made(rows: list[Any]) -> Made:
    return Made(rows, {})


def _rows_alone(made: Made) -> list[Any]:
    return made.rows


def _waiting_in(some: Any) -> list[Any]:
    if isinstance(some, (list, tuple)):
        return [one for own in some for one in _waiting_in(own)]
    return [some] if hasattr(some, "dask") else []


def _with(some: Any, futures: Iterator[Any]) -> Any:
    if isinstance(some, (list, tuple)):
        return type(some)(_with(one, futures) for one in some)
    return next(futures) if hasattr(some, "dask") else some


class Workers:
    """The workers of a cluster, each with its pieces of X.

    Parameters
    ----------
    cluster : Cluster
        It has one or more.
    X : TiledMatrix
        Which rows go together is a matter of X alone.
    """

    def __init__(self, cluster: Cluster, X: TiledMatrix) -> None:
        self.cluster, self._X, self._addresses = cluster, X, list(cluster.workers())
        if not self._addresses:
            raise RuntimeError(f"The cluster {cluster.address} has no worker; start one.")
        self._rows = cut(X)
        self._slices = groups_of(len(self._rows), len(self._addresses))
        self._groups: list[Any] = []
        self._over: list[Any] = []  # futures that nothing needs any more
        self._delayed = functools.partial(importlib.import_module("dask").delayed, pure=False)

    def let_go(self) -> None:
        """Hold nothing any more; whoever still holds this, as a traceback does, holds no X by it."""
        self._groups.clear()
        self._over.clear()

    def take_x(self, weights: Any) -> Sums:
        """Have the workers take their pieces, and look at them; return the sums of `steps.scan`."""
        X, rows = self._X, self._rows
        parts = [CutPart(part, X.absent.get(i), rows) for i, part in enumerate(X.parts)]
        own_weights = cut_weights(weights, rows)
        for group, worker in zip(self._slices, self._addresses, strict=False):
            numbers = range(len(rows))[group]
            given = [[part.piece(number) for part in parts] for number in numbers]
            own = self._computed([given, own_weights[group]])
            self._groups.append(
                self.cluster.submit(make_pieces, group.start, rows[group], X.layout, X.dtype, *own, worker=worker)
            )
        self.cluster.settle(self._groups)
        scanned, sums = self._run_and_add(steps.scan, (), ())
        # New pieces, and no marks in those that are there: what is made again would lack them.
        self._groups = [self.cluster.submit(marked, *pair) for pair in zip(self._groups, scanned, strict=True)]
        return sums

    def _computed(self, given: Any) -> Any:
        """Lists and tuples with futures in the place of what Dask is yet to make."""
        waiting = _waiting_in(given)
        return _with(given, iter(self.cluster.compute(waiting) if waiting else []))

    def _tasks(self, function: Function, over: Sequence[Rows], arguments: tuple[Any, ...]) -> list[Any]:
        """What makes of each group what a function makes of it."""
        size = sum(_bytes_of(argument) for argument in arguments)
        large = size * len(self._groups) > LARGE_ARGUMENTS
        shared = self._delayed(Shared)(arguments, size) if large else arguments
        return [
            self._delayed(run)(
                function, group, [(rows.futures[g], rows.columns) for rows in over], shared, len(self._rows)
            )
            for g, group in enumerate(self._groups)
        ]

    def _run(self, function: Function, over: Sequence[Rows], arguments: tuple[Any, ...]) -> list[Any]:
        """Futures of what a function makes of each group."""
        return self._begin(self._tasks(function, over, arguments))

    def _run_and_add(
        self, function: Function, over: Sequence[Rows], arguments: tuple[Any, ...]
    ) -> tuple[list[Any], Sums]:
        """The same, and the sums over all of them."""
        tasks = self._tasks(function, over, arguments)
        nodes = [self._delayed(nodes_of)(task) for task in tasks]
        while len(nodes) > FAN:  # the last ones are added here, which is a task less to wait for
            nodes = [
                self._delayed(add_up)(nodes[i : i + FAN], len(self._rows)) if i + 1 < len(nodes) else nodes[i]
                for i in range(0, len(nodes), FAN)
            ]
        futures = self._begin([*tasks, *nodes])
        made, nodes = futures[: len(tasks)], futures[len(tasks) :]
        self._over += nodes
        return made, root_of(add_up(self.cluster.gather(nodes), len(self._rows)))

    def _begin(self, tasks: list[Any]) -> list[Any]:
        """Futures of tasks, of which the scheduler hears at once.

        The client sends every 10 ms: what it needs no more is said after the tasks, which that would hold up.
        """
        futures = self.cluster.compute(tasks, as_they_are=True)
        self._over.clear()
        return futures

    def sums(self, function: Function, over: Sequence[Rows] = (), arguments: tuple[Any, ...] = ()) -> Sums:
        """The sums of what a function returns over all pieces."""
        futures, sums = self._run_and_add(function, over, arguments)
        self._over += futures
        return sums

    def rows(
        self, function: Function, over: Sequence[Rows], arguments: tuple[Any, ...], width: int, dtype: Any
    ) -> Rows:
        """The rows that a function returns."""
        return Rows(self._run(function, over, arguments), (self._X.shape[0], width), np.dtype(dtype))

    def rows_and_sums(
        self, function: Function, over: Sequence[Rows], arguments: tuple[Any, ...], like: NDArray[Any]
    ) -> tuple[Rows, Sums]:
        """Both; the rows are as wide as something, and of its dtype."""
        futures, sums = self._run_and_add(function, over, arguments)
        return Rows(futures, (self._X.shape[0], like.shape[1]), like.dtype), sums

    def move(
        self, function: Function, F: Rows, other: Rows, arguments: tuple[Any, ...], before: tuple[Rows, ...] = ()
    ) -> Sums:
        """Move F to ``other``, or in place if it is that; return the sums."""
        over = (*before, F, other if other.futures else F)
        futures, sums = self._run_and_add(function, over, (other is F, *arguments))
        self._over += other.futures
        other.futures = futures
        return sums

    def place(self, F: Any, k: int) -> Rows:
        """An F from anywhere, on the workers: of zeros if it is None."""
        if isinstance(F, Rows):
            return F
        if F is None or isinstance(F, DrawnF):
            return self.rows(steps.begin, (), (F, k), k, self._X.dtype)
        futures = []
        for group in self._slices:
            own = [F[rows] for rows in self._rows[group]]
            futures.append(self.cluster.submit(_made, own))
        return Rows(futures, F.shape, F.dtype)

    def renew(self, V: Rows, function: Function, *arguments: Any) -> None:
        """Put what a function makes of V in its place."""
        V.futures, V.columns = self._run(function, (V,), arguments), None

    def begin_anew(self, V: Rows, function: Function, *arguments: Any) -> None:
        """Put what a function makes of no V in its place: what it was made of is free."""
        V.futures, V.columns = self._run(function, (), arguments), None

    def taken(self, function: Function, arguments: tuple[Any, ...], shape: tuple[int, int], dtype: Any) -> Rows:
        """The rows that a function returns, once all are there: raises what it raises."""
        futures, _ = self._run_and_add(function, (), arguments)
        return Rows(futures, shape, np.dtype(dtype))

    def gathered(self, function: Function, over: Sequence[Rows] = (), arguments: tuple[Any, ...] = ()) -> list[Any]:
        """What a function returns for each piece, brought here: for what is small."""
        return self._bring(self._run(function, over, arguments))

    def _bring(self, futures: list[Any]) -> list[Any]:
        made = self.cluster.gather(self._begin([self._delayed(_rows_alone)(future) for future in futures]))
        return [some for own in made for some in own]

    def host(self, V: Rows) -> NDArray[Any]:
        """V in memory."""
        found: NDArray[Any] = np.concatenate(self._bring(V.futures))
        return found if V.columns is None else np.ascontiguousarray(found[:, V.columns])

    def array_of(self, V: Rows, row: Callable[..., Any] = Made.row) -> Any:
        """A Dask array of V, whose rows stay where they are; ``row`` gives those of a piece."""
        delayed, array = importlib.import_module("dask").delayed, importlib.import_module("dask.array")
        blocks = []
        for group, future in zip(self._slices, V.futures, strict=True):
            for i, rows in enumerate(self._rows[group]):
                block = delayed(row)(future, i, V.columns)
                blocks.append(array.from_delayed(block, (rows.stop - rows.start, V.shape[1]), V.dtype))
        return array.concatenate(blocks)


def _bytes_of(argument: Any) -> int:
    """About how large an argument is."""
    if isinstance(argument, np.ndarray):
        return argument.nbytes
    fields = getattr(argument, "__dataclass_fields__", None)
    return sum(_bytes_of(getattr(argument, name)) for name in fields) if fields else 0
