"""Named blocks of features over the same samples, and where each block's columns lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.arrays import real_numbers, working_dtype
from coupled_nmf.data.containers import check_block, dtype_of, refuse_unpicklable, whole
from coupled_nmf.data.labels import labels_at, sample_labels
from coupled_nmf.data.partial_block import PartialBlock, place_rows, rows_of


@dataclass(frozen=True)
class BlockLayout:
    """Names and widths of the blocks that stand side by side in X.

    Parameters
    ----------
    names : tuple of str
        Block names, in column order.
    sizes : tuple of int
        Columns of each block.

    Examples
    --------
    >>> layout = BlockLayout(("pixels", "conv1"), (4, 3))
    >>> layout.n_features, layout.slices["conv1"]
    (7, slice(4, 7, None))
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    @classmethod
    def from_sizes(cls, blocks: Mapping[str, int] | Sequence[int], n_features: int) -> BlockLayout:
        """Layout of the ``blocks`` parameter over ``n_features`` columns.

        Raises
        ------
        ValueError
            If a size is not a positive integer or the sizes do not add up to ``n_features``.
        """
        if not isinstance(blocks, Mapping):
            blocks = {f"block{i}": size for i, size in enumerate(blocks)}
        for name, size in blocks.items():
            if not isinstance(name, str) or not name:
                raise ValueError(f"blocks has the name {name!r}; a block's name is a non-empty string.")
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
                raise ValueError(f"blocks[{name!r}] is {size!r}; a block's size is a positive whole number of columns.")
        layout = cls(tuple(blocks), tuple(int(size) for size in blocks.values()))
        if layout.n_features != n_features:
            raise ValueError(
                f"blocks={dict(blocks)} add up to {layout.n_features} columns, but X has {n_features}; "
                "give every column of X to one block."
            )
        return layout

    @property
    def n_features(self) -> int:
        """Number of columns of all blocks together."""
        return sum(self.sizes)

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Column at which each block begins, and the end: shape (n_blocks + 1,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Columns of each block."""
        edges = [int(edge) for edge in self.bounds]
        return {name: slice(edges[i], edges[i + 1]) for i, name in enumerate(self.names)}

    def split(self, array: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Views of the last axis of ``array``, one a block."""
        return {name: array[..., columns] for name, columns in self.slices.items()}

    def columns_of(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Column numbers of the named blocks, in the order of ``names``."""
        return np.concatenate([np.arange(self.slices[name].start, self.slices[name].stop) for name in names])

    def weights(self, block_weights: Mapping[str, float] | Sequence[float] | None) -> NDArray[np.float64]:
        """Weight α_b of each block, ones by default: shape (n_blocks,).

        Raises
        ------
        ValueError
            If a name is unknown, the number of weights is wrong, or a weight is negative or not finite.
        """
        if block_weights is None:
            return np.ones(len(self.names))
        if isinstance(block_weights, Mapping):
            unknown = [name for name in block_weights if name not in self.slices]
            if unknown:
                raise ValueError(f"block_weights names unknown blocks {unknown}; the blocks are {list(self.names)}.")
            block_weights = [block_weights.get(name, 1.0) for name in self.names]
        weights = real_numbers("block_weights", block_weights).astype(np.float64)
        if weights.shape != (len(self.names),):
            raise ValueError(
                f"block_weights has {weights.size} entries for {len(self.names)} blocks; give one a block."
            )
        if not np.all(np.isfinite(weights)) or weights.min() < 0 or weights.max() == 0:
            raise ValueError(f"block_weights is {weights.tolist()}; weights are finite, not negative, not all 0.")
        return weights


def balanced_weights(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """α_b with the same α_b times size for every block, given what the loss grows with; 1 for blocks of zeros."""
    alive = sizes > 0
    share = sizes.sum() / max(int(alive.sum()), 1)
    with np.errstate(over="ignore"):  # what is then too large is refused
        return np.divide(share, sizes, out=np.ones_like(sizes), where=alive)


def _names_of(block: Any) -> tuple[str, ...] | None:
    """Names of a DataFrame's columns."""
    columns = getattr(block, "columns", None)
    return None if columns is None else tuple(str(name) for name in columns)


def _check_block(name: object, array: Any) -> Any:
    """One block as a 2-D numeric array-like; the values are checked when they are read."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"A block's name is a non-empty string, got {name!r}.")
    return array if isinstance(array, PartialBlock) else check_block(f"Block {name!r}", array)


class Blocks:
    """Named blocks over the same samples, indexed by row as one array is.

    The blocks are not copied and not put side by side. ``Blocks`` works wherever scikit-learn selects rows:
    ``Pipeline``, ``GridSearchCV``, ``train_test_split``.

    Parameters
    ----------
    blocks : mapping of str to array-like of shape (n_samples, n_features_b)
        NumPy or CuPy arrays, DataFrames, SciPy's sparse arrays, memory maps, HDF5 or Zarr arrays, or what turns into
        an array. Real numbers; NaN is a missing entry, as a masked one and ``pd.NA`` are. The same rows in all,
        but for those named in ``samples``.
    samples : mapping of str to array-like of int or bool, default=None
        For a block that not all samples have: the numbers of those that do, one for each of its rows, or one true or
        false a sample. The others lack the block, as if their rows were NaN.

    Attributes
    ----------
    feature_names : dict of str to tuple of str
        Names of the columns, of blocks that were given as DataFrames.
    index : pandas.Index or None
        Labels of the samples, of blocks that were given as DataFrames of pandas; `CoupledNMF.transform` gives them to
        the rows of F under ``set_output(transform="pandas")``. From the first frame with labels of its own whose rows
        are all samples, else put together from those in ``samples``. Rows that are chosen keep theirs.

    Raises
    ------
    TypeError
        If a block is an AnnData or MuData object, or on another device.
    ValueError
        If there is no block, a block is not 2-D or not numeric, the numbers of rows differ or are not known, or an
        index in ``samples`` does not fit; if DataFrames share index labels at other places.

    Warns
    -----
    UserWarning
        If the index labels of two DataFrames have none in common: rows are coupled by their place.

    Examples
    --------
    >>> import numpy as np
    >>> X = Blocks({"pixels": np.ones((5, 4)), "conv1": np.ones((5, 3))})
    >>> X.shape, X[1:3].shape, X["conv1"].shape
    ((5, 7), (2, 7), (5, 3))

    Samples 0 and 3 alone have the second block:

    >>> Blocks({"rna": np.ones((5, 4)), "atac": np.ones((2, 3))}, samples={"atac": [0, 3]}).shape
    (5, 7)
    """

    ndim = 2
    feature_names: dict[str, tuple[str, ...]]
    index: Any = None  # also of Blocks that an earlier version pickled

    def __init__(self, blocks: Mapping[str, Any], *, samples: Mapping[str, Any] | None = None) -> None:
        if not isinstance(blocks, Mapping) or not blocks:
            found = "an empty mapping" if isinstance(blocks, Mapping) else type(blocks).__name__
            raise ValueError(f"blocks is {found}; Blocks takes a mapping from names to arrays, with one or more.")
        arrays = place_rows({name: _check_block(name, array) for name, array in blocks.items()}, samples or {})
        self._hold(arrays)
        frames = {name: block for name, block in blocks.items() if hasattr(block, "iloc")}
        self.index = sample_labels(
            {name: (frame.index, getattr(arrays[name], "samples", None)) for name, frame in frames.items()}, len(self)
        )
        self.feature_names = {name: names for name in blocks if (names := _names_of(blocks[name])) is not None}

    def _hold(self, arrays: dict[str, Any]) -> None:
        """Hold blocks that were checked."""
        rows = {name: int(array.shape[0]) for name, array in arrays.items()}
        if len(set(rows.values())) > 1:
            raise ValueError(
                f"Blocks have different numbers of rows: {rows}; every block needs the same samples, or samples= says "
                "which of them it has."
            )
        self._arrays = arrays
        self.layout = BlockLayout(tuple(rows), tuple(int(array.shape[1]) for array in arrays.values()))
        self.shape = (next(iter(rows.values())), self.layout.n_features)

    def _with(self, arrays: dict[str, Any], index: Any) -> Blocks:
        """Blocks made of these; they were checked when these were."""
        made = Blocks.__new__(Blocks)
        made._hold(arrays)
        made.index = index
        made.feature_names = {name: names for name, names in self.feature_names.items() if name in arrays}
        return made

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 if that holds every block (float32, float16), else float64."""
        return working_dtype(map(dtype_of, self._arrays.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the blocks, in order."""
        return self.layout.names

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the blocks' names."""
        return iter(self._arrays)

    def __getitem__(self, key: Any) -> Any:
        """Return the block of that name, or the Blocks of those rows."""
        if isinstance(key, str):
            if key not in self._arrays:
                raise KeyError(f"unknown block {key!r}; the blocks are {list(self.names)}")
            return self._arrays[key]
        if isinstance(key, tuple):  # scikit-learn selects rows as X[rows, ...]
            if len(key) != 2 or key[1] not in (Ellipsis, slice(None)):
                raise IndexError("Blocks are indexed by rows, or by a block's name.")
            key = key[0]
        if isinstance(key, (int, np.integer)):
            raise IndexError(f"Blocks are indexed by several rows; for one row write X[{key}:{key + 1}].")
        arrays = {name: rows_of(array, key, f"Block {name!r}") for name, array in self._arrays.items()}
        return self._with(arrays, labels_at(self.index, key))

    def select(self, names: Sequence[str]) -> Blocks:
        """Return the named blocks alone, in that order."""
        if len(names) == 0:
            raise ValueError(f"names is empty; select one or more of the blocks {list(self.names)}.")
        return self._with({name: self[name] for name in names}, self.index)

    def __copy__(self) -> Blocks:
        return self.select(self.names)

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process, as by a grid search; TypeError names a block that cannot be."""
        for name, array in self._arrays.items():
            refuse_unpicklable(f"Block {name!r}", array.array if isinstance(array, PartialBlock) else array)
        return vars(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All blocks side by side, for what takes one array; always a copy."""
        if copy is False:
            raise ValueError("Blocks hold several arrays: side by side they are a copy.")
        return self.to_array().astype(self.dtype if dtype is None else dtype, copy=False)

    def to_array(self) -> NDArray[Any]:
        """All blocks side by side in one new array, shape (n_samples, n_features)."""
        arrays = [whole(f"Block {name!r}", array) for name, array in self._arrays.items()]
        return np.concatenate([array.astype(self.dtype, copy=False) for array in arrays], axis=1)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name!r}: {size}" for name, size in zip(self.names, self.layout.sizes, strict=True))
        return f"Blocks({{{parts}}}, n_samples={len(self)}, dtype={self.dtype})"
