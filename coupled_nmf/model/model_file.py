"""What a file says of a model, checked against itself before anything is built of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.arrays import REAL
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.fit.batches import Stream
from coupled_nmf.model.archive import brief
from coupled_nmf.problem.losses import LOSSES

MOST, LARGEST = 2**63 - 1, sys.float_info.max  # of whole numbers, and of all


def check_keys(name: str, value: Any, needed: Collection[str], also: Collection[str] = ()) -> dict[str, Any]:
    """An object with all of the needed keys, and no other ones than those and ``also``."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {brief(value)}, not an object")
    missing, unknown = set(needed) - value.keys(), value.keys() - {*needed, *also}
    if missing or unknown:
        raise ValueError(f"{name} lacks {min(missing)!r}" if missing else f"{name} has an unknown {min(unknown)!r}")
    return value


def whole(name: str, value: Any, least: int = 0) -> int:
    """A whole number."""
    if type(value) is not int or not least <= value <= MOST:
        raise ValueError(f"{name} is {brief(value)}, not a whole number from {least} on")
    return value


def finite(name: str, value: Any) -> float:
    """A finite number."""
    if type(value) not in (int, float) or not -LARGEST <= value <= LARGEST:
        raise ValueError(f"{name} is {brief(value)}, not a finite number")
    return float(value)


def magnitude(name: str, value: Any, layout: BlockLayout) -> float:
    """A finite number that is not negative."""
    if finite(name, value) < 0:
        raise ValueError(f"{name} is {value}, which is negative")
    return float(value)


def _count(name: str, value: Any, layout: BlockLayout) -> int:
    return whole(name, value)


def _rank(name: str, value: Any, layout: BlockLayout) -> int:
    return whole(name, value, 1)


def _width(name: str, value: Any, layout: BlockLayout) -> int:
    if whole(name, value) != layout.n_features:
        raise ValueError(f"{name} is {value}, and the blocks have {layout.n_features} columns")
    return layout.n_features


def _flag(name: str, value: Any, layout: BlockLayout) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {brief(value)}, not true or false")
    return value


def _history(name: str, value: Any, layout: BlockLayout) -> list[float]:
    return [finite(f"an entry of {name}", number) for number in _list(name, value)]


def _weights(name: str, value: Any, layout: BlockLayout) -> NDArray[np.float64]:
    try:
        return layout.weights([finite(f"an entry of {name}", number) for number in _list(name, value)])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _by_block(name: str, value: Any, layout: BlockLayout) -> dict[str, float]:
    value = check_keys(name, value, set(layout.names))
    return {block: magnitude(f"{name}[{block!r}]", value[block], layout) for block in layout.names}


def _names_by_block(name: str, value: Any, layout: BlockLayout) -> dict[str, tuple[str, ...]]:
    value = check_keys(name, value, set(), set(layout.names))
    sizes = dict(zip(layout.names, layout.sizes, strict=True))
    return {block: tuple(texts(f"{name}[{block!r}]", names, sizes[block])) for block, names in value.items()}


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is {brief(value)}, not a list")
    return value


def texts(name: str, value: Any, n: int) -> list[str]:
    """A list of n strings."""
    if len(_list(name, value)) != n or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{name} is {brief(value)}, not a list of {n} strings")
    return list(value)


# What a fit leaves, and how each is read; what was not learned is absent.
FITTED: dict[str, Callable[[str, Any, BlockLayout], Any]] = {
    "n_components_": _rank,
    "fitted_on_blocks_": _flag,
    "block_weights_": _weights,
    "n_features_in_": _width,
    "block_feature_names_": _names_by_block,
    "reconstruction_err_": magnitude,
    "rmse_": magnitude,
    "block_rmse_": _by_block,
    "block_relative_error_": _by_block,
    "objective_history_": _history,
    "n_iter_": _count,
}
NEEDED = set(list(FITTED)[:5])


def read_layout(value: Any) -> BlockLayout:
    """Names and widths of the blocks."""
    check_keys("layout", value, {"names", "sizes"})
    sizes = [whole("a size of the layout", size, 1) for size in _list("layout's sizes", value["sizes"])]
    names = texts("layout's names", value["names"], len(sizes))
    if not names or not all(names) or len(set(names)) < len(names):
        raise ValueError(f"layout's names are {brief(names)}; each is a string of its own, and not empty")
    return BlockLayout(tuple(names), tuple(sizes))


def read_fitted(value: Any, layout: BlockLayout) -> dict[str, Any]:
    """The attributes that a fit leaves, beside its arrays."""
    fitted = check_keys("fitted", value, NEEDED, set(FITTED))
    return {name: FITTED[name](name, item, layout) for name, item in fitted.items()}


def take_array(
    arrays: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...], dtypes: str, *, signed: bool = False
) -> NDArray[Any]:
    """An array of that shape, in C order and in this machine's byte order, finite, and not negative unless signed."""
    if name not in arrays:
        raise ValueError(f"it lacks the array {name!r}")
    array = arrays.pop(name)
    if array.dtype.char not in dtypes or array.shape != shape:
        expected = " or ".join(np.dtype(char).name for char in dtypes)
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}; it would be {expected} of shape {shape}")
    with np.errstate(invalid="ignore"):
        least, most = float(array.min()), float(array.max())
    if not (-LARGEST if signed else 0) <= least <= most <= LARGEST:
        raise ValueError(f"{name} has entries that are not finite" + ("" if signed else ", or negative"))
    return native(array)


def native(array: NDArray[Any]) -> NDArray[Any]:
    """The array in C order and in this machine's byte order."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def read_stream(value: Any, arrays: dict[str, NDArray[Any]], n_components: int, layout: BlockLayout) -> Stream:
    """The sums over the batches seen."""
    check_keys("stream", value, {"loss", "n_batches", "n_samples"})
    if not isinstance(value["loss"], str) or value["loss"] not in LOSSES:
        raise ValueError(f"the stream's loss is {brief(value['loss'])}; it would be one of {list(LOSSES)}")
    shapes = LOSSES[value["loss"]].shapes_of_sums(n_components, layout)
    last = len(shapes) - 1
    sums = tuple(
        take_array(arrays, f"stream{number}", shape, "d", signed=number == last) for number, shape in enumerate(shapes)
    )
    return Stream(
        loss=value["loss"],
        sums=sums,
        n_batches=whole("the stream's n_batches", value["n_batches"], 1),
        n_samples=magnitude("the stream's n_samples", value["n_samples"], layout),
    )


def put_arrays(params: dict[str, Any], places: Any, arrays: dict[str, NDArray[Any]]) -> None:
    """Put arrays where they stood in the parameters: each of ``places`` is a list of keys, or of numbers in a list."""
    for number, keys in enumerate(_list("param_arrays", places)):
        name, holder = f"param{number}", params
        if name not in arrays or arrays[name].dtype.kind not in REAL:
            raise ValueError(f"it lacks the array {name!r}, or that is none of real numbers")
        *before, last = _list("an entry of param_arrays", keys) or [None]
        for key in before:
            holder = _inside(holder, key)
        if _inside(holder, last) is not None:
            raise ValueError(f"param_arrays has {brief(keys)} twice, or in place of something else")
        holder[last] = native(arrays.pop(name))


def _inside(holder: Any, key: Any) -> Any:
    """What stands at a key of an object, or at a number of a list."""
    in_object = isinstance(holder, dict) and isinstance(key, str) and key in holder
    in_list = isinstance(holder, list) and type(key) is int and 0 <= key < len(holder)
    if not in_object and not in_list:
        raise ValueError(f"param_arrays has {brief(key)}, where the parameters have no such place")
    return holder[key]
