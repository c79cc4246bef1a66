"""What X or a block may be held in: arrays, DataFrames, what gives slices of rows; one clear error for the rest."""

from __future__ import annotations

import importlib
import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from coupled_nmf.data.arrays import (
    REAL,
    frame_array,
    is_frame,
    real_numbers,
    refuse_gradient,
    refuse_other_device,
    to_host,
    unmask,
)
from coupled_nmf.data.partial_block import refuse_other_rows
from coupled_nmf.data.sparse_arrays import own_copy, refuse_indices


def dtype_of(array: Any) -> np.dtype[Any] | None:
    """The dtype of what has one, be it given by a name or a type, as "float32"; None if NumPy knows none such."""
    kind = getattr(array, "dtype", None)
    if kind is None or isinstance(kind, np.dtype):
        return kind
    try:
        found = np.dtype(kind)
    except TypeError:
        return None
    return None if found.kind == "O" else found  # what any class would become


def check_block(label: str, array: Any) -> Any:
    """One block, or X, as a 2-D numeric array-like; the values are checked when they are read.

    Raises
    ------
    TypeError
        If it is on another device, or holds annotated arrays and is none.
    ValueError
        If it is not 2-D, its lengths are not known, it has no columns, or does not hold real numbers.
    """
    refuse_unreadable(label, array)
    array = unmask(array)
    if is_frame(array):
        array = frame_array(label, array)
    elif (dtype := dtype_of(array)) is None or dtype.kind == "O":
        array = real_numbers(label, array)
    shape = tuple(array.shape)
    if len(shape) != 2:
        raise ValueError(
            f"{label} has shape {shape}; a block is 2-D (n_samples, n_features). "
            + ("Give one column by .reshape(-1, 1)." if len(shape) == 1 else "Flatten images to one row a sample.")
        )
    if shape[1] == 0:
        raise ValueError(f"{label} has 0 feature(s) (shape={shape}) while a minimum of 1 is required.")
    dtype = dtype_of(array)
    if dtype is None or dtype.kind not in REAL:
        raise ValueError(f"{label} has dtype {array.dtype}; blocks hold real numbers.")
    if issparse(array):
        refuse_indices(label, array)
    return array


def refuse_unreadable(label: str, array: Any) -> None:
    """Raise for what cannot be read by rows: an annotated matrix, another device, a shape that is not known."""
    refuse_other_device(label, array)
    refuse_gradient(label, array)
    roots = {kind.__module__.split(".")[0] for kind in type(array).__mro__}
    if "mudata" in roots and hasattr(array, "mod"):
        raise TypeError(
            f"{label} is a {type(array).__name__}; pass its matrices, "
            "as by Blocks({name: part.X for name, part in mdata.mod.items()})."
        )
    if "anndata" in roots and hasattr(array, "obs") and hasattr(array, "X"):
        raise TypeError(f"{label} is an {type(array).__name__}; pass its matrix, its .X or one of its .layers.")
    if isinstance(array, np.ndarray) or issparse(array) or not hasattr(array, "shape"):
        return
    shape = array.shape
    if not isinstance(shape, (tuple, list)):
        raise ValueError(f"{label} has the shape {shape!r}; a shape is two whole numbers, (n_samples, n_features).")
    if any(isinstance(length, (float, np.floating)) and np.isnan(length) for length in shape):
        raise ValueError(
            f"{label} has shape {tuple(shape)}: lengths that are not known, as of a Dask array after a filter; call "
            "its .compute_chunk_sizes() first."
        )
    if not all(map(_is_length, shape)):
        raise ValueError(
            f"{label} has shape {tuple(shape)}, whose lengths are no whole numbers; pass an array whose shape is "
            "known, as by .compute() or .to_dask_array(lengths=True) of a Dask DataFrame."
        )


def _is_length(length: Any) -> bool:
    try:
        return operator.index(length) >= 0
    except TypeError:
        return False


def whole(label: str, array: Any) -> NDArray[Any]:
    """All rows of a block as a dense array in memory.

    Raises
    ------
    ValueError
        If it is sparse and damaged, or does not give the rows that it had at the first look.
    """
    array, shape = to_host(array), (int(array.shape[0]), int(array.shape[1]))
    if not hasattr(array, "__array__"):  # of a sparse array, or what knows slices alone and may give sparse rows
        array = array if issparse(array) else array[0 : array.shape[0]]
    if issparse(array):
        array = own_copy(label, array).toarray()  # as it is now
    array = np.asarray(unmask(array))
    refuse_other_rows(label, "all of its rows", array, shape)
    return array


# Python's, and joblib's, which knows more: a module of its own, or, in older versions, a part of joblib.
PICKLERS = ("pickle", "cloudpickle", "joblib.externals.cloudpickle")


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


def refuse_unpicklable(label: str, array: Any) -> None:
    """Raise TypeError for what lies outside memory and cannot be sent to another process."""
    if isinstance(array, np.ndarray) or issparse(array):
        return
    reason: Exception | None = None
    for module in PICKLERS:
        try:
            importlib.import_module(module).Pickler(_Nowhere()).dump(array)
        except ImportError:
            continue
        except Exception as error:  # whatever a container raises
            reason = error
        else:
            return
    kind = type(array)
    raise TypeError(
        f"{label} is a {kind.__module__}.{kind.__name__}, which cannot be sent to another process ({reason}). Use "
        "threads, as by joblib.parallel_config(backend='threading'), or n_jobs=1; or pass a memory map of a .npy file, "
        "or a Zarr array, which open anew there."
    ) from reason
