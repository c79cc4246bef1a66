"""What a page says of a result beside the same of a second network: matched, changed, lost, new."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.comparing.comparison import Comparison
from cnn_probe.measures.table import Table
from cnn_probe.report.document.tiles import as_tiles, in_steps, shrunk
from cnn_probe.report.material import Material

LATENT = 64  # pixels of a latent image, at most
TOPS = 5  # inputs beside a pattern of the second network
MOST_FACTORS = 100


def comparison_part(found: Comparison, second: Answers, name: str, *, images: bool) -> dict[str, Any]:
    """Return what there is to say; ``second`` are the answers of the other network, called ``name``."""
    material = Material(second, MOST_FACTORS)
    latent = material.latent if images else None
    if latent is not None:
        small = shrunk(latent[: material.k], LATENT)
        latent = in_steps(small, small.reshape(len(small), -1).max(axis=1)[:, None, None, None])
    tops = None
    if images:
        pictures = material.pictures(material.top[:, :TOPS].ravel().tolist())
        tops = None if pictures is None else as_tiles(pictures)
    units = found.units
    factors = found.table()
    return {
        "with": name,
        "accuracy": second.accuracy,
        "factors": _columns(factors),
        "counts": {
            verdict: factors["verdict"].count(verdict) for verdict in ("matched", "changed", "lost", "new", "unmatched")
        },
        "by_chance": found.expected_by_chance,
        "n_own": len(found.a.own),
        "n_across": len(found.a.across),
        "errors": _columns(found.errors.table()),
        "dead": []
        if units is None
        else [[name, rates.shape[1], *map(int, units.dead(name))] for name, rates in units.rates.items()],
        "skipped": {} if units is None else dict(units.skipped),
        "latent": latent,
        "pictures": tops,
        "n_tops": 0 if tops is None else int(min(TOPS, material.top.shape[1])),
        "top": material.top[:, :TOPS],
        "top_names": None
        if not images
        else [[material.input_name(number) for number in row] for row in material.top[:, :TOPS].tolist()],
    }


def _columns(table: Table) -> dict[str, Any]:
    return {name: [_value(one) for one in table[name]] for name in table.columns}


def _value(one: Any) -> Any:
    return one.item() if isinstance(one, np.generic) else one
