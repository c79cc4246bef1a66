"""scikit-learn's own callbacks (``set_callbacks``, from 1.9 on), told of every iteration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coupled_nmf.fit.loop import Callback, IterationInfo

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
    learned : mapping
        What was learned before the loop, by attribute.
    """

    def __init__(self, estimator: Any, X: Any, n_tasks: int, learned: Mapping[str, Any]) -> None:
        self._learned = learned
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
            return {**self._learned, "components_": info.H.copy(), "n_components_": len(info.H)}

        stop = bool(self._iteration.call_on_fit_task_end(**self._about, reconstruction_attributes=attributes))
        if not stop:
            self._iteration = self._begin()
        return stop

    def end(self) -> None:
        """End the fit; its estimator is fitted."""
        self._fit.call_on_fit_task_end(**self._about, reconstruction_attributes={})


def tasks_of(
    estimator: Any, X: Any, n_tasks: int, learned: Mapping[str, Any]
) -> tuple[list[Callback], Callable[[], None]]:
    """What the loop is to call, and what is to be called at its end; nothing if there is no one to tell."""
    if not (getattr(estimator, "_skl_callbacks", None) or hasattr(estimator, "_parent_callback_ctx")):
        return [], lambda: None
    tasks = Tasks(estimator, X, n_tasks, learned)
    return [tasks.tell], tasks.end
