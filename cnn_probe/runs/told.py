"""What a page says of a rank, kept as JSON beside the result: the page is made again of it without the network."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.table import Table
from cnn_probe.report.probe_page import Compared, LayerSummary, ProbedRank
from cnn_probe.runs.finished import read_added

KINDS: dict[str, Any] = {kind.__name__: kind for kind in (ProbedRank, LayerSummary, Ablation, Compared)}


def keep(value: Any) -> bytes:
    """Return what `read_told` reads: plain values, arrays, tables, dataclasses of `KINDS`, and what is made of them.

    Examples
    --------
    >>> keep({"shares": np.array([0.5])})
    b'{"mapping": {"shares": {"array": [0.5], "dtype": "float64"}}}'
    """
    return json.dumps(_plain(value)).encode()


def csv_of(table: Table) -> bytes:
    """Return what `Table.to_csv` writes."""
    text = io.StringIO()
    table.to_csv(text)
    return text.getvalue().encode()


def read_told(folder: Path, name: str) -> Any:
    """Return what was kept under a name beside a finished result; None if nothing was, or another version did.

    Raises
    ------
    ValueError
        If it is not whole any more.
    """
    kept = read_added(folder, name)
    try:
        return None if kept is None else _made(json.loads(kept))
    except (KeyError, TypeError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Table):
        return {"table": {name: list(value[name]) for name in value.columns}}
    if is_dataclass(value):
        return {
            "kind": type(value).__name__,
            "of": {one.name: _plain(getattr(value, one.name)) for one in fields(value)},
        }
    if isinstance(value, Mapping):
        return {"mapping": {str(name): _plain(inner) for name, inner in value.items()}}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _made(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_made(inner) for inner in plain]
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        return np.array(plain["array"], dtype=plain["dtype"])
    if "table" in plain:
        return Table(plain["table"])
    if "kind" in plain:
        return KINDS[plain["kind"]](**{name: _made(inner) for name, inner in plain["of"].items()})
    return {name: _made(inner) for name, inner in plain["mapping"].items()}
