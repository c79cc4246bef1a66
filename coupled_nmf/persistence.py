"""A fitted model in one file, without pickle: arrays and JSON in a NumPy archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from coupled_nmf.arrays import to_host
from coupled_nmf.blocks import BlockLayout
from coupled_nmf.streaming import Stream

FORMAT = "coupled_nmf model 2"
_PLAIN = ("n_components_", "fitted_on_blocks_", "block_weights_", "reconstruction_err_",
          "rmse_", "block_rmse_", "block_relative_error_",
          "objective_history_", "n_iter_", "n_features_in_", "block_feature_names_")  # fmt: skip


def save_model(model: Any, path: str | Path) -> None:
    """Write the fitted model."""
    params = {name: _plain(value) for name, value in model.get_params(deep=False).items() if name != "callbacks"}
    header = {
        "format": FORMAT,
        "params": params,
        "layout": {"names": model.layout_.names, "sizes": model.layout_.sizes},
        "fitted": {name: _plain(getattr(model, name)) for name in _PLAIN if hasattr(model, name)},  # of a fit alone
        "feature_names_in": [str(name) for name in getattr(model, "feature_names_in_", ())],
    }
    stream, sums = getattr(model, "_stream", None), {}
    if stream is not None:
        header["stream"] = {"loss": stream.loss, "n_batches": stream.n_batches, "n_samples": stream.n_samples}
        sums = {f"stream{number}": array for number, array in enumerate(stream.sums)}
    text = json.dumps(header)  # before the file is touched
    with open(path, "wb") as file:  # savez would add a suffix to a name
        np.savez(file, header=np.array(text), components=to_host(model.components_), **sums)


def load_model(cls: Any, path: str | Path) -> Any:
    """Read a fitted model."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            header = json.loads(str(archive["header"]))
            components = archive["components"]
            sums = tuple(archive[name] for name in sorted(archive.files) if name.startswith("stream"))
    except (ValueError, KeyError, EOFError, TypeError, AttributeError, BadZipFile) as error:
        raise ValueError(f"{path} is not a model that CoupledNMF.save wrote.") from error
    if header.get("format") != FORMAT:
        raise ValueError(f"{path} has format {header.get('format')!r}; this version reads {FORMAT!r}.")
    model = cls(**header["params"])
    model.components_ = components
    model.layout_ = BlockLayout(tuple(header["layout"]["names"]), tuple(header["layout"]["sizes"]))
    names = header["fitted"].pop("block_feature_names_")
    model.block_feature_names_ = {block: tuple(columns) for block, columns in names.items()}
    for name, value in header["fitted"].items():
        setattr(model, name, np.array(value) if name == "block_weights_" else value)
    if header["feature_names_in"]:
        model.feature_names_in_ = np.array(header["feature_names_in"], dtype=object)
    if "stream" in header:
        model._stream, model.n_steps_ = Stream(sums=sums, **header["stream"]), header["stream"]["n_batches"]
    return model


def _plain(value: Any) -> Any:
    if isinstance(value, np.random.RandomState):
        return None  # its state has moved on since the fit; a seed is kept
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
