"""What X may be: one clear error for what it may not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_array, validate_data

from coupled_nmf.data.arrays import REAL, frame_array, is_frame, on_device, unmask, working_dtype
from coupled_nmf.data.blocks import BlockLayout, Blocks
from coupled_nmf.data.containers import check_block, dtype_of, refuse_unreadable
from coupled_nmf.data.frames import blocks_of_frame, has_two_levels
from coupled_nmf.data.sparse_arrays import refuse_indices
from coupled_nmf.data.tiled_matrix import TiledMatrix


def read_X(estimator: Any, X: Any, *, reset: bool) -> TiledMatrix:
    """X as the backends read it; at the fit (``reset``), the estimator learns the layout.

    Raises
    ------
    ValueError
        If X is not 2-D, real, and of one or more rows and columns, or does not fit the layout. The entries are
        looked at by the first sweep.
    """
    _refuse_type(X)
    if has_two_levels(X):
        X = blocks_of_frame(X)
    if isinstance(X, Blocks):
        if reset and estimator.blocks is not None:
            raise ValueError("blocks is given and X names its own; leave out one of them.")
        return _read_blocks(estimator, X, reset=reset)
    if on_device(X) or _is_row_source(X):
        return _read_row_source(estimator, X, reset=reset)
    X = _read_array(estimator, X, reset=reset)
    if reset:
        _learn_columns(estimator, X.shape[1])
    return TiledMatrix([X], estimator.layout_, working_dtype([X.dtype]))


def learned_of_X(estimator: Any) -> dict[str, Any]:
    """What an estimator learned of X by `read_X`, by attribute."""
    names = ("layout_", "fitted_on_blocks_", "n_features_in_", "feature_names_in_", "block_feature_names_")
    return {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}


def _refuse_type(X: Any) -> None:
    """Refuse what is no array, or one of what is no number but would turn into one."""
    refuse_unreadable("X", X)
    kind = type(X).__name__
    if isinstance(X, Mapping) and not hasattr(X, "shape"):  # some sparse arrays are mappings
        raise TypeError(f"X is a {kind}; for several blocks pass Blocks(X).")
    if isinstance(X, (list, tuple)) and len(X) and all(getattr(part, "ndim", 0) == 2 for part in X):
        raise TypeError(f"X is a {kind} of 2-D arrays; for several blocks pass Blocks({{name: array, ...}}).")
    array = any(hasattr(X, name) for name in ("__array__", "shape"))
    if not array and not (hasattr(X, "__len__") and hasattr(X, "__getitem__")) and not np.isscalar(X):
        raise TypeError(f"X is a {kind}; pass a 2-D array (n_samples, n_features), a DataFrame or Blocks.")
    if getattr(getattr(X, "dtype", None), "kind", "") in ("m", "M"):
        raise ValueError(f"X has dtype {X.dtype}; dates and times are no real numbers: encode them, or leave them out.")


def _read_array(estimator: Any, X: Any, *, reset: bool) -> Any:
    """One 2-D array of real numbers; scikit-learn looks at its names and its shape."""
    X = unmask(X)
    if issparse(X):
        refuse_indices("X", X)  # before scikit-learn has it converted
    dtype: Any = working_dtype([X.dtype]) if hasattr(X, "dtype") else np.float64
    if isinstance(X, np.ndarray) and X.dtype.kind in REAL:
        dtype = None  # of a memory map a copy may be too large: tiles are converted
    if is_frame(X):
        twice = [name for name, times in Counter(X.columns).items() if times > 1]
        if twice:
            raise ValueError(f"X is a DataFrame with several columns of one name, {twice}; rename them.")
        X = frame_array("X", validate_data(estimator, X, reset=reset, skip_check_array=True))
        return check_array(X, dtype=None, ensure_all_finite=False, accept_sparse=True, estimator=estimator)
    with np.errstate(over="ignore"):  # of a longer dtype; infinity is refused
        return validate_data(
            estimator, X, reset=reset, dtype=dtype, ensure_all_finite=False, accept_sparse=["csr", "csc", "coo"]
        )


def _learn_columns(estimator: Any, n_features: int) -> None:
    """Learn the layout of one 2-D array."""
    blocks = {"X": n_features} if estimator.blocks is None else estimator.blocks
    estimator.layout_ = BlockLayout.from_sizes(blocks, n_features)
    estimator.fitted_on_blocks_, estimator.block_feature_names_ = False, {}


def _is_row_source(X: Any) -> bool:
    """Whether X lies outside memory and is to be read by row slices: an HDF5 or Zarr array and the like."""
    lazy = hasattr(X, "shape") and dtype_of(X) is not None
    array = any(hasattr(X, name) for name in ("__array_interface__", "__cuda_array_interface__", "columns"))
    return lazy and not array and not issparse(X)


def _read_row_source(estimator: Any, X: Any, *, reset: bool) -> TiledMatrix:
    X = check_block("X", X)
    n_features = int(X.shape[1])
    _refuse_no_samples(X)
    if reset:
        _learn_columns(estimator, n_features)
        _learn_width(estimator, n_features)
    if n_features != estimator.n_features_in_:
        raise ValueError(f"X has {n_features} features, but the model was fitted with {estimator.n_features_in_}.")
    return TiledMatrix([X], estimator.layout_, working_dtype([dtype_of(X)]))


def _refuse_no_samples(X: Any) -> None:
    if X.shape[0] == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={tuple(X.shape)}) while a minimum of 1 is required.")


def _learn_width(estimator: Any, n_features: int) -> None:
    """Learn the number of features, and forget the names that an earlier fit saw."""
    estimator.n_features_in_ = n_features
    if hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def _read_blocks(estimator: Any, X: Blocks, *, reset: bool) -> TiledMatrix:
    _refuse_no_samples(X)
    if reset:
        estimator.layout_, estimator.fitted_on_blocks_ = X.layout, True
        estimator.block_feature_names_ = dict(X.feature_names)
        _learn_width(estimator, X.layout.n_features)
    fitted = estimator.layout_
    unknown = [name for name in X.names if name not in fitted.slices]
    if unknown:
        raise ValueError(f"X has unknown blocks {unknown}; the model was fitted on {list(fitted.names)}.")
    sizes = dict(zip(fitted.names, fitted.sizes, strict=True))
    for name, size in zip(X.names, X.layout.sizes, strict=True):
        if size != sizes[name]:
            raise ValueError(f"Block {name!r} has {size} features, but the model was fitted with {sizes[name]}.")
        _check_names(name, X.feature_names.get(name), estimator.block_feature_names_.get(name))
    matrix = TiledMatrix([X[name] for name in X.names], X.layout, X.dtype)
    if matrix.shape[0] != len(X):
        raise ValueError(
            f"X has {len(X)} samples, but its blocks have {matrix.shape[0]} rows now: make its Blocks anew."
        )
    return matrix


def _check_names(block: str, found: tuple[str, ...] | None, expected: tuple[str, ...] | None) -> None:
    """Whether a block's columns bear the names of the fit, in its order; arrays bear none."""
    if found is None or expected is None or found == expected:
        return
    place = next(i for i, names in enumerate(zip(found, expected, strict=True)) if names[0] != names[1])
    same = "in another order" if sorted(found) == sorted(expected) else "not those"
    raise ValueError(
        f"The feature names should match those that were passed during fit: those of block {block!r} are {same}; "
        f"column {place} is {found[place]!r}, and was {expected[place]!r}."
    )
