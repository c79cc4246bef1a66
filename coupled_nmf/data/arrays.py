"""What comes from outside, as arrays of real numbers: dtypes, DataFrames, masked arrays, parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

DLPACK_CUDA = 2  # a device's kind, as DLPack numbers them
REAL = "fiub"  # kinds of dtype that are real numbers
SMALL = ("float16", "float32", "halffloat", "float[", "sparse[float16", "sparse[float32")  # "float[": of pyarrow


def working_dtype(dtypes: Iterable[Any]) -> np.dtype[Any]:
    """float32 if that holds them all (float32, float16), else float64."""
    names = [str(np.dtype(kind) if isinstance(kind, np.dtype) else kind).lower().lstrip("<>") for kind in dtypes]
    return np.dtype(np.float32 if names and all(map(_is_small, names)) else np.float64)


def _is_small(name: str) -> bool:
    return name in ("f2", "f4") or name.removeprefix("torch.").startswith(SMALL)


def on_device(array: Any) -> bool:
    """Whether it is an array on a CUDA device, with NumPy's dtypes: a CuPy array."""
    numpys = isinstance(getattr(array, "dtype", None), np.dtype)
    return numpys and hasattr(array, "__cuda_array_interface__") and hasattr(array, "get")


def to_host(array: Any) -> Any:
    """What is on a device as an array in memory; everything else as it is."""
    return array.get() if on_device(array) else array


def refuse_other_device(name: str, array: Any) -> None:
    """Raise TypeError for what is on a CUDA device, but is no CuPy array."""
    if type(array).__module__.startswith("cupyx."):
        raise TypeError(f"{name} is a sparse array of CuPy's; pass {name}.get(), with backend='cupy'.")
    where = getattr(array, "__dlpack_device__", None)
    if where is not None and not on_device(array) and where()[0] == DLPACK_CUDA:
        raise TypeError(
            f"{name} is a {type(array).__module__}.{type(array).__name__} on a GPU; pass cupy.from_dlpack({name}), "
            "which copies nothing."
        )


def refuse_gradient(name: str, array: Any) -> None:
    """Raise TypeError for a tensor of PyTorch's that a gradient is kept of, from which no array is made."""
    if getattr(array, "requires_grad", False) is True:
        raise TypeError(
            f"{name} is a tensor with requires_grad=True, and no gradient goes through a fit; pass its .detach(), "
            "which copies nothing."
        )


def real_numbers(name: str, value: Any) -> NDArray[Any]:
    """A parameter as an array of real numbers.

    Raises
    ------
    ValueError
        If it is ragged, or holds anything else.
    """
    try:
        array = np.asarray(to_host(value))
        if array.dtype == object:
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the last from a tensor with a gradient
        raise ValueError(f"{name} is no array of real numbers: {error}") from error
    if array.dtype.kind not in REAL:
        raise ValueError(f"{name} has dtype {array.dtype}; it takes real numbers.")
    return array


def refuse_large(name: str, factor: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Raise ValueError if the squares of a factor overflow in the dtype of X."""
    largest = float(factor.max(initial=0))
    if largest * largest * factor.size > float(np.finfo(dtype).max):
        raise ValueError(
            f"{name} has entries up to {largest:.1e}, whose squares overflow in {dtype}; scale it down, or pass X as "
            "float64."
        )


def is_frame(X: Any) -> bool:
    """Whether X is a DataFrame, of pandas or polars or the like."""
    return all(hasattr(X, name) for name in ("to_numpy", "columns", "dtypes"))


def frame_array(name: str, X: Any) -> Any:
    """A DataFrame's array, NaN where a value is missing; sparse if all its columns are.

    Raises
    ------
    ValueError
        If a column does not hold real numbers.
    """
    kinds = list(X.dtypes)
    dtype = working_dtype(kinds)
    if kinds and all(isinstance(kind, np.dtype) and kind.kind in REAL for kind in kinds):
        return np.asarray(X, dtype=dtype)
    if kinds and all(hasattr(kind, "subtype") and hasattr(kind, "fill_value") for kind in kinds):
        return X.sparse.to_coo().astype(dtype, copy=False)
    array, bad = np.empty(X.shape, dtype), []
    for i, kind in enumerate(kinds):
        try:
            array[:, i] = _column(X, i, kind)
        except (TypeError, ValueError, OverflowError):
            bad.append(X.columns[i])
    if bad:
        raise ValueError(
            f"{name} is a DataFrame whose columns {bad} do not hold real numbers; encode them, or leave them out."
        )
    return array


def _column(X: Any, i: int, kind: Any) -> NDArray[Any]:
    """A column's values, NaN where they are missing.

    Raises
    ------
    TypeError or ValueError
        If they are no real numbers. Dates, times and complex numbers would turn into such in silence.
    """
    if getattr(kind, "kind", "") in ("m", "M", "c") or (hasattr(kind, "is_temporal") and kind.is_temporal()):
        raise TypeError(f"{kind} is no real number")
    if hasattr(X, "iloc"):  # pandas, whose missing values are of many kinds
        found: NDArray[Any] = X.iloc[:, i].to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        found = X.to_series(i).to_numpy()
    return found


def unmask(array: Any) -> Any:
    """A masked array's array, with NaN where it is masked: a copy if anything is."""
    if not isinstance(array, np.ma.MaskedArray):
        return array
    if not np.ma.is_masked(array):
        return array.data
    return np.ma.filled(array.astype(working_dtype([array.dtype])), np.nan)
