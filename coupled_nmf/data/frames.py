"""DataFrames: their arrays, the names of their columns, and the blocks that two-level columns are."""

from __future__ import annotations

from typing import Any

from coupled_nmf.data.blocks import Blocks


def has_two_levels(X: Any) -> bool:
    """Whether X is a DataFrame whose columns have two levels.

    Raises
    ------
    ValueError
        If they have more.
    """
    n_levels = getattr(getattr(X, "columns", None), "nlevels", 1)
    if n_levels > 2:
        raise ValueError(
            f"X has columns of {n_levels} levels; blocks are two, so drop the others, as by X.droplevel(0, axis=1)."
        )
    return bool(n_levels == 2)


def blocks_of_frame(X: Any) -> Blocks:
    """A block for each name of the first level, in order.

    Raises
    ------
    ValueError
        If the columns of a block do not stand side by side.
    """
    names = [str(name) for name in X.columns.get_level_values(0)]
    order = list(dict.fromkeys(names))
    if names != sorted(names, key=order.index):
        raise ValueError(
            "X has two-level columns, and those of a block do not stand side by side; sort them, as by "
            "X.sort_index(axis=1, level=0)."
        )
    starts = [names.index(name) for name in order] + [len(names)]
    return Blocks(
        {
            name: X.iloc[:, first:last].droplevel(0, axis=1)
            for name, first, last in zip(order, starts[:-1], starts[1:], strict=True)
        }
    )
