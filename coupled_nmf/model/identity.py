"""What the bits of a fit depend on, as JSON takes it: by it a fit that was begun before is known again."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from coupled_nmf.data.arrays import REAL, to_host
from coupled_nmf.data.digests import digest_of_arrays
from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.model.known_components import read_fixed

NO_MATTER = ("callbacks", "checkpoint", "n_jobs", "verbose")  # parameters on which no bit of a fit depends
VERSIONS = ("coupled_nmf", "numpy")


def versions() -> list[str]:
    """Those of the packages on which bits depend."""
    return [importlib.import_module(name).__version__ for name in VERSIONS]


def params_of(model: Any, X: TiledMatrix) -> dict[str, Any]:
    """The parameters of an estimator on which a fit to X depends.

    Raises
    ------
    TypeError
        If one is, or holds, what has names or values that would be lost.
    """
    params = model.get_params(deep=False)
    if model.fixed_components is not None:  # then by their numbers, whatever holds them; None is named as ever
        params["fixed_components"] = digest_of_arrays([read_fixed(model.fixed_components, X.layout, X.dtype)])
    return {name: _plain(name, value) for name, value in params.items() if name not in NO_MATTER}


def refuse_checkpoint(checkpoint: Any, random_state: Any) -> None:
    """Raise TypeError for what is no folder, and ValueError for a random state by which no fit is known again."""
    if not isinstance(checkpoint, (str, os.PathLike)):
        raise TypeError(f"checkpoint is {checkpoint!r}; give the path of a folder.")
    if not os.fspath(checkpoint):
        raise ValueError("checkpoint is ''; give the path of a folder, as '.' for this one.")
    if not isinstance(random_state, Integral) or isinstance(random_state, bool):
        raise ValueError(
            f"checkpoint needs a whole number as random_state, got {random_state!r}: from anything else each call "
            "draws other numbers, and nothing of an earlier call would serve. Give one, as in "
            "CoupledNMF(random_state=0)."
        )


def _plain(name: str, value: Any) -> Any:
    """A parameter as JSON takes it, with all that it holds.

    Raises
    ------
    TypeError
        If it is, or holds, what has names or values that would be lost.
    """
    value = to_host(value)
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)  # 0 and 0.0 are one number
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(f"{name}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_plain(f"{name}[{place}]", item) for place, item in enumerate(value)]
    array = np.asarray(value) if hasattr(value, "__array__") else None
    if array is None or array.dtype.kind not in REAL or (array.ndim > 1 and not isinstance(value, np.ndarray)):
        raise TypeError(
            f"{name} is a {type(value).__module__}.{type(value).__name__}, by which a checkpoint cannot tell fits "
            "apart; give numbers, text, lists, mappings from text, or NumPy arrays."
        )
    return array.tolist()
