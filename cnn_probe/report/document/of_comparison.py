"""What a page says of a result beside the same of a second network: matched, changed, lost, new."""

from __future__ import annotations

from typing import Any

from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.comparing.comparison import Comparison
from cnn_probe.report.document.packing import columns_of
from cnn_probe.report.document.tiles import LATENT, as_tiles, on_own_scales
from cnn_probe.report.material import ON_A_PAGE, Material

TOPS = 5  # inputs beside a pattern of the second network


def comparison_part(found: Comparison, second: Answers, name: str, *, images: bool) -> dict[str, Any]:
    """Return what there is to say; ``second`` are the answers of the other network, called ``name``."""
    material = Material(second, ON_A_PAGE)
    latent = material.latent if images else None
    if latent is not None:
        latent = on_own_scales(latent[: material.k], LATENT)
    tops = None
    if images:
        pictures = material.pictures(material.top[:, :TOPS].ravel().tolist())
        tops = None if pictures is None else as_tiles(pictures)
    units = found.units
    factors = found.table()
    return {
        "with": name,
        "accuracy": second.accuracy,
        "factors": columns_of(factors),
        "counts": {
            verdict: factors["verdict"].count(verdict) for verdict in ("matched", "changed", "lost", "new", "unmatched")
        },
        "by_chance": found.expected_by_chance,
        "n_own": len(found.a.own),
        "n_across": len(found.a.across),
        "errors": columns_of(found.errors.table()),
        "dead": []
        if units is None
        else [[name, rates.shape[1], *map(int, units.dead(name))] for name, rates in units.rates.items()],
        "skipped": {} if units is None else dict(units.skipped),
        "latent": latent,
        "pictures": tops,
        "n_tops": 0 if tops is None else int(min(TOPS, material.top.shape[1])),
        "top": material.top[:, :TOPS],
    }
