"""Components that are known before any fit: given as one array, or as one a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from coupled_nmf.data.arrays import is_frame, real_numbers, refuse_large, refuse_other_device, working_dtype
from coupled_nmf.data.blocks import BlockLayout, Blocks
from coupled_nmf.data.frames import blocks_of_frame, has_two_levels


def read_components(name: str, value: Any) -> NDArray[Any]:
    """A copy of components (rows, columns) in C order, in float32 if they are, else in float64.

    Raises
    ------
    ValueError
        If they are not 2-D, or an entry is no real number, masked, negative, not finite, or too large.
    """
    refuse_other_device(name, value)
    if issparse(value):
        raise ValueError(f"{name} is sparse; components are dense: pass {name}.toarray().")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name} has masked entries; every entry of a component that is known has a value.")
    array = real_numbers(name, value)
    with np.errstate(over="ignore"):  # infinity is refused
        array = np.array(array, dtype=working_dtype([array.dtype]), order="C")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}; components are 2-D, one or more of one or more features.")
    if not np.all(np.isfinite(array)) or array.min() < 0:
        raise ValueError(f"{name} has negative or non-finite entries; components are finite and not negative.")
    refuse_large(name, array, array.dtype)
    return array


def read_blocks_of_components(name: str, value: Any) -> dict[str, NDArray[Any]] | None:
    """What `read_components` gives for each block of a mapping or a ``Blocks``; None for anything else.

    Raises
    ------
    ValueError
        If there is no block, a name is no non-empty string, or the blocks have different numbers of rows.
    """
    if has_two_levels(value):
        value = blocks_of_frame(value)
    if not isinstance(value, (Mapping, Blocks)):
        return None
    found = {block: read_components(f"{name}[{block!r}]", value[block]) for block in value}
    bad = [block for block in found if not isinstance(block, str) or not block]
    if bad or not found:
        raise ValueError(f"{name} has the names {list(found)}; it maps one block or more, by its name, to an array.")
    rows = {block: len(array) for block, array in found.items()}
    if len(set(rows.values())) > 1:
        raise ValueError(f"{name} has different numbers of rows: {rows}; each block has one row a component.")
    return found


def names_of_columns(value: Any) -> dict[str, tuple[str, ...]]:
    """The names that components bring along, by block; those of one frame under ``""``. Numbers are no names."""
    if has_two_levels(value):
        value = blocks_of_frame(value)
    if isinstance(value, Blocks):
        return dict(value.feature_names)
    frames = value if isinstance(value, Mapping) else {"": value}
    found = {block: tuple(frame.columns) for block, frame in frames.items() if is_frame(frame)}
    return {block: names for block, names in found.items() if all(isinstance(name, str) for name in names)}


def refuse_other_columns(
    argument: str, given: Mapping[str, Sequence[str]], seen: Mapping[str, Sequence[str]], layout: BlockLayout
) -> None:
    """Raise ValueError where the columns of components are named, and X has other names there.

    ``given`` and ``seen`` as `names_of_columns` gives them.
    """
    for column, (name, own) in enumerate(zip(_by_column(given, layout), _by_column(seen, layout), strict=True)):
        if None not in (name, own) and name != own:
            raise ValueError(
                f"{argument} has columns of other names, or in another order, than X: column {column} is {name!r}, "
                f"and that of X is {own!r}. Columns go together by their place: give those of X, in its order."
            )


def _by_column(names: Mapping[str, Sequence[str]], layout: BlockLayout) -> list[str | None]:
    found: list[str | None] = [None] * layout.n_features
    for block, columns in {"": slice(None), **layout.slices}.items():
        if block in names:
            found[columns] = names[block]
    return found


def learned_from(estimator: Any, components: Any) -> dict[str, Any]:
    """What an estimator would have learned that were fitted with these components, by the attribute's name.

    Raises what `CoupledNMF.set_components` raises.
    """
    by_block = read_blocks_of_components("components", components)
    if by_block is None:
        H = read_components("components", components)
        layout = BlockLayout.from_sizes({"X": H.shape[1]} if estimator.blocks is None else estimator.blocks, H.shape[1])
    else:
        if estimator.blocks is not None:
            raise ValueError("blocks is given and components names its own; leave out one of them.")
        H = np.concatenate(list(by_block.values()), axis=1)
        layout = BlockLayout(tuple(by_block), tuple(array.shape[1] for array in by_block.values()))
    if len(H) != estimator.n_components:
        raise ValueError(
            f"components has {len(H)} rows, but n_components is {estimator.n_components}; set it to {len(H)}."
        )
    names = names_of_columns(components)
    fixed = read_fixed(estimator.fixed_components, layout, H.dtype, names)
    if not np.array_equal(H[: len(fixed)], fixed):
        raise ValueError("the first rows of components are not those of fixed_components; leave one of them out.")
    if isinstance(estimator.block_weights, str):
        raise ValueError(
            f"block_weights={estimator.block_weights!r} goes by data, and components come without; give numbers."
        )
    of_one = {"feature_names_in_": np.array(names[""], dtype=object)} if "" in names else {}
    return of_one | {
        "components_": H,
        "n_components_": len(H),
        "layout_": layout,
        "fitted_on_blocks_": by_block is not None,
        "block_feature_names_": names if by_block is not None else {},
        "n_features_in_": layout.n_features,
        "block_weights_": layout.weights(estimator.block_weights),
    }


def read_fixed(
    value: Any, layout: BlockLayout, dtype: np.dtype[Any], seen: Mapping[str, Sequence[str]] | None = None
) -> NDArray[Any]:
    """The parameter ``fixed_components`` as rows of an H for that layout, in that dtype: none if it is None.

    ``seen`` are names of X's columns, as `names_of_columns` gives them.

    Raises
    ------
    ValueError
        If it is not of that width, or does not have just those blocks, or its columns bear other names than those of X;
        or for what `read_components` refuses.
    """
    if value is None:
        return np.empty((0, layout.n_features), dtype=dtype)
    by_block = read_blocks_of_components("fixed_components", value)
    if by_block is None:
        fixed = read_components("fixed_components", value)
        if fixed.shape[1] != layout.n_features:
            raise ValueError(f"fixed_components has {fixed.shape[1]} columns; X has {layout.n_features} features.")
    else:
        sizes = {block: array.shape[1] for block, array in by_block.items()}
        expected = dict(zip(layout.names, layout.sizes, strict=True))
        if sizes != expected:
            raise ValueError(f"fixed_components has blocks of the sizes {sizes}; those of X are {expected}.")
        fixed = np.concatenate([by_block[name] for name in layout.names], axis=1)
    refuse_other_columns("fixed_components", names_of_columns(value), seen or {}, layout)
    refuse_large("fixed_components", fixed, dtype)
    return fixed.astype(dtype, copy=False)
