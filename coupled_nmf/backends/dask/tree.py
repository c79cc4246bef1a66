"""Sums over pieces of X, added along a fixed tree over the pieces' numbers: who adds which changes no bit."""

from __future__ import annotations

from collections.abc import Iterable

from coupled_nmf.problem.contracts import Sums

Nodes = dict[tuple[int, int], Sums]  # by height over the leaves, and number from the left


def add_up(some: Iterable[Nodes], n_pieces: int) -> Nodes:
    """The nodes of all, added two by two as far up as those that are there allow, of a tree over so many leaves.

    All leaves together leave the root alone.
    """
    found: Nodes = {}
    for nodes in some:
        found |= nodes
    height, width = 0, n_pieces
    while width > 1:
        for number in sorted(number for at, number in found if at == height and number % 2 == 0):
            up = (height + 1, number // 2)
            if number + 1 == width:  # it has no sibling
                found[up] = found.pop((height, number))
            elif (height, number + 1) in found:
                left, right = found.pop((height, number)), found.pop((height, number + 1))
                found[up] = tuple(a + b for a, b in zip(left, right, strict=True))
        height, width = height + 1, -(-width // 2)
    return found


def root_of(nodes: Nodes) -> Sums:
    """The sums over all leaves, when there is nothing else left."""
    (sums,) = nodes.values()
    return sums
