"""What X may be: one clear error for what it may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from coupled_nmf.blocks import BlockLayout, Blocks, TiledMatrix


def read_X(estimator: Any, X: Any, *, reset: bool) -> TiledMatrix:
    """X as the backends read it; at the fit (``reset``), the estimator learns the layout.

    Raises
    ------
    ValueError
        If X is not 2-D, real, and of one or more rows and columns, or does not fit the layout. The entries are
        looked at by the first sweep.
    """
    if isinstance(X, Blocks):
        if reset and estimator.blocks is not None:
            raise ValueError("blocks is given and X is a Blocks, which names its own; leave out one of them.")
        return _read_blocks(estimator, X, reset=reset)
    if isinstance(X, Mapping) and not hasattr(X, "shape"):  # some sparse arrays are mappings
        raise TypeError(f"X is a {type(X).__name__}; for several blocks pass Blocks(X).")
    if isinstance(X, (list, tuple)) and len(X) and all(getattr(part, "ndim", 0) == 2 for part in X):
        raise TypeError(
            f"X is a {type(X).__name__} of 2-D arrays; for several blocks pass Blocks({{name: array, ...}})."
        )
    if _is_row_source(X):
        return _read_row_source(estimator, X, reset=reset)
    X = validate_data(estimator, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False)
    if reset:
        blocks = {"X": X.shape[1]} if estimator.blocks is None else estimator.blocks
        estimator.layout_ = BlockLayout.from_sizes(blocks, X.shape[1])
        estimator.fitted_on_blocks_ = False
    return TiledMatrix([X], estimator.layout_, X.dtype)


def _is_row_source(X: Any) -> bool:
    """Whether X lies outside memory and is to be read by row slices: an HDF5 or Zarr array and the like."""
    lazy = isinstance(getattr(X, "dtype", None), np.dtype) and len(getattr(X, "shape", ())) == 2
    array = any(hasattr(X, name) for name in ("__array_interface__", "__cuda_array_interface__", "columns"))
    return lazy and not array and not issparse(X)


def _read_row_source(estimator: Any, X: Any, *, reset: bool) -> TiledMatrix:
    source = Blocks({"X": X})  # checks shape and dtype
    n_features = source.layout.n_features
    _refuse_no_samples(source)
    if reset:
        blocks = {"X": n_features} if estimator.blocks is None else estimator.blocks
        estimator.layout_ = BlockLayout.from_sizes(blocks, n_features)
        estimator.fitted_on_blocks_ = False
        _learn_width(estimator, n_features)
    if n_features != estimator.n_features_in_:
        raise ValueError(f"X has {n_features} features, but the model was fitted with {estimator.n_features_in_}.")
    return TiledMatrix([X], estimator.layout_, source.dtype)


def _refuse_no_samples(X: Blocks) -> None:
    if len(X) == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required.")


def _learn_width(estimator: Any, n_features: int) -> None:
    """Learn the number of features, and forget the names that an earlier fit saw."""
    estimator.n_features_in_ = n_features
    if hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def _read_blocks(estimator: Any, X: Blocks, *, reset: bool) -> TiledMatrix:
    _refuse_no_samples(X)
    if reset:
        estimator.layout_, estimator.fitted_on_blocks_ = X.layout, True
        _learn_width(estimator, X.layout.n_features)
    fitted = estimator.layout_
    unknown = [name for name in X.names if name not in fitted.slices]
    if unknown:
        raise ValueError(f"X has unknown blocks {unknown}; the model was fitted on {list(fitted.names)}.")
    for name, size in zip(X.names, X.layout.sizes, strict=True):
        expected = fitted.sizes[fitted.names.index(name)]
        if size != expected:
            raise ValueError(f"Block {name!r} has {size} features, but the model was fitted with {expected}.")
    return TiledMatrix([X[name] for name in X.names], X.layout, X.dtype)


def refuse_entries(estimator: Any, X: TiledMatrix, tile: list[NDArray[Any]], rows: slice) -> NoReturn:
    """Say which entry of the tile cannot be, where it is, and what to do."""
    name = type(estimator).__name__
    for part, columns in zip(tile, X.part_columns, strict=True):
        for bad, message in (
            (
                np.isnan(part),
                "Input X contains NaN{}; missing values are not supported yet, fill them or drop them.",
            ),
            (np.isinf(part), "Input X contains infinity{}; replace it by a finite value."),
            (
                part < 0,
                f"Negative values in data passed to {name}{{}}; shift, clip or split the block by sign.",
            ),
        ):
            if bad.any():
                row, column = (int(i) for i in np.argwhere(bad)[0])
                block = int(np.searchsorted(X.layout.bounds, columns.start + column, side="right")) - 1
                where = f" (block {X.layout.names[block]!r}, row {rows.start + row})"
                raise ValueError(message.format(where))
    raise ValueError("Input X contains values whose squares are too large for dtype('float64'); scale X down.")
