"""What a model has learned changes in one step, whoever else looks at it meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.arrays import refuse_large, to_host
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.system.interrupts import INTERRUPTS

_LEARNING: dict[int, object] = {}  # the estimators that learn now, and in whose turn
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LEARNING.clear)  # which has none of the threads that learn here


class Learning:
    """A model whose attributes that end in ``_`` belong together."""

    components_: NDArray[Any]
    n_components_: int
    layout_: BlockLayout
    block_weights_: NDArray[np.float64]

    def _now(self) -> Self:
        """The model as it is now, whatever others do to it from here on."""
        now = object.__new__(type(self))
        now.__dict__ = vars(self).copy()
        return now

    @contextmanager
    def _learning(self) -> Iterator[Self]:
        """A copy that learns; what it has learned when the block ends, this model then has, all in one step."""
        with INTERRUPTS:  # or one of them could leave the entry there for good
            turn = object()
            try:
                if _LEARNING.setdefault(id(self), turn) is not turn:
                    raise RuntimeError(
                        f"This {type(self).__name__} is learning already, in another thread or since this is one of "
                        "its callbacks; take a copy, as by sklearn.base.clone(estimator)."
                    )
                before, learner = _learned_by(self), self._now()
                yield learner
                INTERRUPTS.check()  # what is taken over now is taken over whole
                # What a callback gave this model meanwhile is not what an earlier fit left: it stays.
                found, given = _learned_by(learner), _changed(before, _learned_by(self))
                own = {name: value for name, value in given.items() if found.get(name) is before.get(name)}
                self._adopt(found | own)
            finally:
                if _LEARNING.get(id(self)) is turn:
                    del _LEARNING[id(self)]

    def _adopt(self, learned: dict[str, Any]) -> None:
        """Have learned this, and nothing else; in one step, so that nobody finds half of it."""
        self.__dict__ = {name: value for name, value in vars(self).items() if not _is_learned(name)} | learned


def has_start(model: Learning) -> bool:
    """Whether it has components to go on from: where all are zero, as after zeros alone, none would ever move."""
    return hasattr(model, "components_") and bool(learned_components(model).any())


def learned_components(model: Learning) -> NDArray[Any]:
    """H, row by row, in memory.

    Raises
    ------
    ValueError
        If it does not go with the rest of the model: it was set by hand, since.
    """
    H, shape = to_host(model.components_), (model.n_components_, model.layout_.n_features)
    if not isinstance(H, np.ndarray) or H.dtype.kind != "f" or H.shape != shape or not np.all(H >= 0):
        found = f"shape {H.shape} and dtype {H.dtype}" if isinstance(H, np.ndarray) else f"a {type(H).__name__}"
        raise ValueError(
            f"components_ is {found}, and not an array of shape {shape} of real numbers that are not negative, "
            "as this model learned; fit it anew."
        )
    return np.ascontiguousarray(H)


def learned_of_blocks(model: Learning, X: TiledMatrix) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """H in X's dtype, and the weight of each block, of the blocks that X has.

    Raises
    ------
    ValueError
        If H was set by hand, is too large for the dtype, or no block that X has counts.
    """
    layout, names, alpha = model.layout_, X.layout.names, np.asarray(model.block_weights_)
    H = learned_components(model)
    refuse_large("components_", H, X.dtype)
    H = H.astype(X.dtype, copy=False)
    if X.layout != layout:
        H = H[:, layout.columns_of(names)]
        places = {name: place for place, name in enumerate(layout.names)}
        alpha = alpha[[places[name] for name in names]]
        if not alpha.any():
            raise ValueError(f"X has blocks {list(names)}, whose block_weights are all 0; add another.")
    return H, alpha


def _learned_by(model: Any) -> dict[str, Any]:
    """What a model has learned, by attribute."""
    return {name: value for name, value in vars(model).items() if _is_learned(name)}


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What is there, and was not, or was something else."""
    return {name: value for name, value in after.items() if name not in before or before[name] is not value}


def _is_learned(name: str) -> bool:
    return name.endswith("_") or name == "_stream"
