"""How an estimator is fitted to what was recorded: refused before the recording, heard of, interrupted."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from numbers import Integral
from typing import Any

import numpy as np

from cnn_probe.probing.blocks import Shape
from coupled_nmf import Blocks, CoupledNMF, IterationInfo, rank_path

INTERRUPTED = "CoupledNMF was interrupted"  # how the warning of a fit begins that Ctrl-C has ended
Progress = Callable[[str, int, int], None]


def ignore(what: str, done: int, total: int) -> None:
    """Hear how far it is, and say nothing; as a function with a name it can be pickled."""


def within(progress: Progress, what: str) -> Progress:
    """Hear of the steps of something as of that: ``what: step``."""
    return lambda step, done, total: progress(f"{what}: {step}", done, total)


def refuse(estimator: CoupledNMF, n_samples: int | None, shapes: Mapping[str, Shape]) -> None:
    """Raise ValueError if the estimator could not be fitted to so many samples with blocks of these shapes."""
    k, n_features = estimator.n_components, sum(int(np.prod(shape)) for shape in shapes.values())
    for limit, of in ((n_samples, "inputs"), (n_features, "pixels and neurons")):
        if limit is not None and isinstance(k, Integral) and k > limit:
            raise ValueError(
                f"n_components={k} is more than the {limit} {of}, with which the fit would be exact whatever they are; "
                f"choose {limit} or fewer."
            )
    if estimator.init == "custom":
        raise ValueError("init='custom' starts from factors that are given, which a probe has no place for.")
    if estimator.checkpoint is not None and not isinstance(estimator.random_state, Integral):
        raise ValueError(f"checkpoint needs a whole number as random_state, got {estimator.random_state!r}")
    # Begun on next to nothing, a fit says at once what it would say of its parameters after the recording.
    few = 2 if isinstance(k, Integral) and k > 2 else k
    tiny = Blocks({name: np.array([[1, 2], [2, 1]], dtype=np.float32) for name in shapes})
    with suppress(_Begun):
        heard_by(estimator, _begun).set_params(n_components=few, checkpoint=None).fit(tiny)
        raise KeyboardInterrupt  # by nothing else does a fit come to its end here


class _Begun(Exception):
    """A fit has checked its parameters, and begun."""


def _begun(info: IterationInfo) -> None:
    raise _Begun


def fitted(estimator: CoupledNMF, X: Blocks) -> tuple[CoupledNMF, Any]:
    """Return a fitted clone and F. Ctrl-C comes out of it, where a fit by itself ends with what it has, and says so."""
    if estimator.checkpoint is None:  # `rank_path` takes none
        found = rank_path(X, [int(estimator.n_components)], estimator=estimator).fits[0]
        return found.model, found.F
    model = CoupledNMF(**estimator.get_params())
    with warnings.catch_warnings():
        warnings.filterwarnings("error", INTERRUPTED)
        try:
            return model, model.fit_transform(X)
        except UserWarning as warning:
            if not re.match(INTERRUPTED, str(warning)):
                raise
            raise KeyboardInterrupt from warning


def heard_by(estimator: CoupledNMF, callback: Callable[[IterationInfo], bool | None]) -> CoupledNMF:
    """Return an estimator of the same parameters, whose iterations the callback hears of."""
    return CoupledNMF(**{**estimator.get_params(), "callbacks": callback})


def teller(estimator: CoupledNMF, progress: Progress) -> Callable[[IterationInfo], None]:
    """Return a callback that tells how far a fit has come, of all its starts."""
    starts = before = 0

    def tell(info: IterationInfo) -> None:
        nonlocal starts, before
        starts += info.iteration <= before  # the first that is heard of may be any, after a checkpoint
        before = info.iteration
        done = starts * estimator.max_iter + info.iteration
        progress("fitting", done, estimator.max_iter * estimator.n_init)

    return tell
