"""What a model has learned changes in one step, whoever else looks at it meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.arrays import to_host
from coupled_nmf.blocks import BlockLayout

_LEARNING: dict[int, object] = {}  # the estimators that learn now, and in whose turn
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LEARNING.clear)  # which has none of the threads that learn here


class Learning:
    """A model whose attributes that end in ``_`` belong together."""

    components_: NDArray[Any]
    n_components_: int
    layout_: BlockLayout

    def _now(self) -> Self:
        """The model as it is now, whatever others do to it from here on."""
        now = object.__new__(type(self))
        now.__dict__ = vars(self).copy()
        return now

    @contextmanager
    def _learning(self) -> Iterator[Self]:
        """A copy that learns; what it has learned when the block ends, this model then has, all in one step."""
        turn = object()
        try:
            if _LEARNING.setdefault(id(self), turn) is not turn:
                raise RuntimeError(
                    f"This {type(self).__name__} is learning already, in another thread or since this is one of its "
                    "callbacks; take a copy, as by sklearn.base.clone(estimator)."
                )
            learner = self._now()
            yield learner
            self._adopt({name: value for name, value in vars(learner).items() if _is_learned(name)})
        finally:
            if _LEARNING.get(id(self)) is turn:
                del _LEARNING[id(self)]

    def _adopt(self, learned: dict[str, Any]) -> None:
        """Have learned this, and nothing else; in one step, so that nobody finds half of it."""
        self.__dict__ = {name: value for name, value in vars(self).items() if not _is_learned(name)} | learned

    def _learned_components(self) -> NDArray[Any]:
        """H, row by row, in memory.

        Raises
        ------
        ValueError
            If it does not go with the rest of the model: it was set by hand, since.
        """
        H, shape = to_host(self.components_), (self.n_components_, self.layout_.n_features)
        if not isinstance(H, np.ndarray) or H.dtype.kind != "f" or H.shape != shape or not np.all(H >= 0):
            found = f"shape {H.shape} and dtype {H.dtype}" if isinstance(H, np.ndarray) else f"a {type(H).__name__}"
            raise ValueError(
                f"components_ is {found}, and not an array of shape {shape} of real numbers that are not negative, "
                "as this model learned; fit it anew."
            )
        return np.ascontiguousarray(H)


def _is_learned(name: str) -> bool:
    return name.endswith("_") or name == "_stream"
