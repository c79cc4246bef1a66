"""scikit-learn's own callbacks (``set_callbacks``, from 1.9 on), told of every iteration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.alternation import Callback, IterationInfo

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9 has none

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to add."""


class Tasks:
    """The fit as scikit-learn's callbacks see it: one task, with one in it for each iteration.

    Parameters
    ----------
    estimator : CoupledNMF
        Whose callbacks are told.
    X : object
        What it is fitted on.
    n_tasks : int
        Iterations at most.
    alpha : ndarray of shape (n_blocks,)
        Weight of each block.
    """

    def __init__(self, estimator: Any, X: Any, n_tasks: int, alpha: NDArray[np.float64]) -> None:
        self._alpha = alpha
        self._about: dict[str, Any] = {"estimator": estimator, "X": X}
        # An iteration begins where the one before ends: the last to begin has no end.
        self._fit = estimator._init_callback_context(max_subtasks=n_tasks + 1)
        self._fit.call_on_fit_task_begin(**self._about)
        self._iteration = self._begin()

    def _begin(self) -> Any:
        task = self._fit.subcontext(task_name="iteration")
        task.call_on_fit_task_begin(**self._about)
        return task

    def tell(self, info: IterationInfo) -> bool:
        """End an iteration and begin the next; return whether a callback asks to stop."""

        def attributes() -> dict[str, Any]:
            return {"components_": info.H.copy(), "n_components_": len(info.H), "block_weights_": self._alpha}

        stop = bool(self._iteration.call_on_fit_task_end(**self._about, reconstruction_attributes=attributes))
        if not stop:
            self._iteration = self._begin()
        return stop

    def end(self) -> None:
        """End the fit; its estimator is fitted."""
        self._fit.call_on_fit_task_end(**self._about, reconstruction_attributes={})


def tasks_of(
    estimator: Any, X: Any, n_tasks: int, alpha: NDArray[np.float64]
) -> tuple[list[Callback], Callable[[], None]]:
    """What the loop is to call, and what is to be called at its end; nothing if there is no one to tell."""
    if not (getattr(estimator, "_skl_callbacks", None) or hasattr(estimator, "_parent_callback_ctx")):
        return [], lambda: None
    tasks = Tasks(estimator, X, n_tasks, alpha)
    return [tasks.tell], tasks.end
