"""Sums over pieces of X, added along a fixed tree over the pieces' numbers: who adds which changes no bit."""

from __future__ import annotations

from collections.abc import Iterable

from coupled_nmf.problem.contracts import Sums

Nodes = dict[tuple[int, int], Sums]  # by height over the leaves, and number from the left


def add_up(some: Iterable[Nodes], n_pieces: int) -> Nodes:
    """The nodes of all, added two by two as far up as those that are there allow, of a tree over so many leaves.

    All leaves together leave the root alone. Nothing that is given is written to.
    """
    found: Nodes = {}
    for nodes in some:
        for at, sums in nodes.items():
            found[at] = sums
            rise(found, at, n_pieces)
    return found


def rise(nodes: Nodes, at: tuple[int, int], n_pieces: int, free: list[Sums] | None = None) -> None:
    """Add a node and its sibling, if that is there, and what comes of them and the sibling of that, and so on.

    With ``free``, what is added is added to the left one of two, and ``free`` is given the arrays of the right one.
    """
    height, number = at
    while (width := -(-n_pieces >> height)) > 1:
        left, right = (height, number & ~1), (height, number | 1)
        if right[1] == width:  # it has no sibling
            sums = nodes.pop(left)
        elif left in nodes and right in nodes:
            sums, other = nodes.pop(left), nodes.pop(right)
            if free is None:
                sums = tuple(a + b for a, b in zip(sums, other, strict=True))
            else:
                for a, b in zip(sums, other, strict=True):
                    a += b
                free.append(other)
        else:
            return
        height, number = height + 1, number // 2
        nodes[height, number] = sums


def root_of(nodes: Nodes) -> Sums:
    """The sums over all leaves, when there is nothing else left."""
    (sums,) = nodes.values()
    return sums
