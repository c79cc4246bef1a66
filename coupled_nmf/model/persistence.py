"""A fitted model in one file, without pickle: arrays and JSON in a NumPy archive."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.arrays import REAL, to_host
from coupled_nmf.model.archive import Archive, brief, read_archive, read_json, write_archive
from coupled_nmf.model.model_file import (
    FITTED,
    check_keys,
    put_arrays,
    read_fitted,
    read_layout,
    read_stream,
    take_array,
    texts,
)

FORMAT, WITHOUT_DIGEST = "coupled_nmf model 3", "coupled_nmf model 2"
NOT_KEPT = {"callbacks", "checkpoint"}  # they belong to where the model was fitted
LATER = {"fixed_components"}  # parameters that came after the first files: these do not have them


def save_model(model: Any, path: str | Path) -> None:
    """Write the fitted model; what cannot be read again is refused before anything is written."""
    header, arrays = _taken_apart(model)
    try:
        text = json.dumps(header, allow_nan=False)
        _put_together(type(model), read_json(text), dict(arrays))
    except ValueError as error:
        raise ValueError(f"the model cannot be saved, since it could not be loaded: {error}") from error
    write_archive(path, text, arrays)


def load_model(cls: Any, path: str | Path) -> Any:
    """Read a fitted model."""
    try:
        archive = read_archive(path)
        header = read_json(archive.text)
        _check_format(header, archive)
        return _put_together(cls, header, archive.arrays)
    except ValueError as error:
        raise ValueError(
            f"{path} is not a model that CoupledNMF.save wrote, or is damaged: {str(error).rstrip('.')}."
        ) from error


def _taken_apart(model: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The model as what JSON keeps, and arrays; what is on a device is brought to memory."""
    arrays = {"components": np.ascontiguousarray(to_host(model.components_))}
    places: list[list[str | int]] = []
    params = {}
    for name, value in model.get_params(deep=False).items():
        if name not in NOT_KEPT:
            params[name] = _plain(value, [name], places, arrays)
    header = {
        "format": FORMAT,
        "params": params,
        "param_arrays": places,
        "layout": {"names": model.layout_.names, "sizes": model.layout_.sizes},
        "fitted": {name: _listed(getattr(model, name)) for name in FITTED if hasattr(model, name)},
        "feature_names_in": [str(name) for name in getattr(model, "feature_names_in_", ())],
    }
    stream = getattr(model, "_stream", None)
    if stream is not None:
        header["stream"] = {"loss": stream.loss, "n_batches": stream.n_batches, "n_samples": stream.n_samples}
        arrays |= {f"stream{number}": np.asarray(array) for number, array in enumerate(stream.sums)}
    return header, arrays


def _check_format(header: Any, archive: Archive) -> None:
    found = header.get("format") if isinstance(header, dict) else None
    if found not in (FORMAT, WITHOUT_DIGEST):
        raise ValueError(f"it has format {brief(found)}; this version reads {FORMAT!r}")
    if found == FORMAT and not archive.is_whole:
        raise ValueError("it is damaged, its contents are not those that were saved")
    if found == WITHOUT_DIGEST:
        header["param_arrays"] = []


def _put_together(cls: Any, header: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """The model of what was read, each part checked against the others."""
    parts = {"format", "params", "param_arrays", "layout", "fitted", "feature_names_in"}
    check_keys("the header", header, parts, {"stream"})
    names = set(cls._get_param_names()) - NOT_KEPT
    params = check_keys("params", header["params"], names - LATER, names)
    put_arrays(params, header["param_arrays"], arrays)
    layout = read_layout(header["layout"])
    fitted = read_fitted(header["fitted"], layout)
    shape = (fitted["n_components_"], layout.n_features)
    components = take_array(arrays, "components", shape, "fd")
    columns = texts(
        "feature_names_in", header["feature_names_in"], layout.n_features if header["feature_names_in"] else 0
    )
    stream = read_stream(header["stream"], arrays, shape[0], layout) if "stream" in header else None
    if arrays:
        raise ValueError(f"it has an array {min(arrays)!r} that belongs to nothing")
    model = cls(**params)
    model._validate_params()
    model.components_, model.layout_ = components, layout
    for name, value in fitted.items():
        setattr(model, name, value)
    if columns:
        model.feature_names_in_ = np.array(columns, dtype=object)
    if stream is not None:
        model._stream, model.n_steps_ = stream, stream.n_batches
    return model


def _plain(value: Any, keys: list[str | int], places: list[list[str | int]], arrays: dict[str, NDArray[Any]]) -> Any:
    """A parameter as JSON keeps it; arrays inside it are added to ``arrays``, and where they stood to ``places``.

    Raises
    ------
    TypeError
        If it is, or holds, what a file cannot keep.
    """
    value = to_host(value)
    if isinstance(value, np.random.RandomState):
        return None  # its state has moved on since the fit; a seed is kept
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, [*keys, key], places, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, [*keys, i], places, arrays) for i, item in enumerate(value)]
    array = np.asarray(value) if hasattr(value, "__array__") else None
    if array is None or array.dtype.kind not in REAL:
        where = "".join([str(keys[0]), *(f"[{key!r}]" for key in keys[1:])])
        raise TypeError(f"{where} is {brief(value)}, which a file cannot keep; change it by set_params before save.")
    arrays[f"param{len(places)}"] = array
    places.append(keys)
    return None


def _listed(value: Any) -> Any:
    """What was learned as JSON keeps it."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, (list, tuple)) else value
