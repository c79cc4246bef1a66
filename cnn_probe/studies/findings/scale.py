"""How far each measure moves when a layer is scaled, and the network computes the same."""

from __future__ import annotations

import math
from typing import Any

from cnn_probe.studies.findings.measured import measures_of, seed_of
from cnn_probe.studies.record import NetworkRecord, Records

FREE = 1.0  # percent: what moves by less is called free of scale


def scale_table(records: Records) -> list[dict[str, Any]]:
    """Compare networks that compute the same, one layer being scaled, with themselves as they were trained.

    Parameters
    ----------
    records : mapping of str to list of NetworkRecord
        By condition: networks as they were trained, and the same with a `Treatment` that scales.

    Returns
    -------
    list of dict
        A row a measure: ``measure``; ``moves``: by the factor, as text, the mean change over the seeds, in percent;
        ``most``: the largest change of all, whatever its sign, or None of what was zero and no longer is;
        ``scale_free``: whether that is below 1%.
    """
    runs = [run for some in records.values() for run in some]
    as_trained = {seed_of(run): measures_of(run) for run in runs if run.as_trained}
    by_factor: dict[str, list[NetworkRecord]] = {}
    for run in runs:
        if run.treatment["scale"] != 1:
            by_factor.setdefault(f"{run.treatment['scale']:g}", []).append(run)
    rows = []
    for name in next(iter(as_trained.values()), {}):
        moves = {
            factor: [_percent(as_trained[seed_of(run)][name], measures_of(run)[name]) for run in scaled]
            for factor, scaled in by_factor.items()
        }
        most = max((abs(move) for some in moves.values() for move in some), default=0.0)
        rows.append(
            {
                "measure": name,
                "moves": {factor: _finite(sum(some) / len(some)) for factor, some in moves.items()},
                "most": _finite(most),
                "scale_free": most < FREE,
            }
        )
    return rows


def _percent(before: float, after: float) -> float:
    if before == after:
        return 0.0
    return 100 * (after / before - 1) if before else math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
