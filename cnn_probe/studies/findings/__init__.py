"""What all networks of all studies say together: of the measures, and of RMSE as a sign of training quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cnn_probe.studies.findings.measured import Found
from cnn_probe.studies.findings.quality import quality
from cnn_probe.studies.findings.scale import scale_table
from cnn_probe.studies.findings.sentence import finding
from cnn_probe.studies.settings import Settings


def findings(found: Found, controls: Sequence[str], settings: Settings) -> dict[str, Any]:
    """Return what stands above the studies in ``results.json``.

    Parameters
    ----------
    found : mapping
        Of each study, the records by condition.
    controls : sequence of str
        Which of the studies the paper lacks.
    settings : Settings
        That all of them were made with.

    Returns
    -------
    dict
        ``finding``, what the controls say of RMSE, and the ``evidence`` that it stands on; ``quality``, how each
        measure goes with accuracy; ``scaling``, how far each moves with scale (empty if that study was not run).
    """
    moves = scale_table(found["scaling"]) if "scaling" in found else []
    table = quality(found, controls, {row["measure"]: row["scale_free"] for row in moves})
    text, evidence = finding(found, settings.ranks[0], table, moves)
    return {"finding": text, "evidence": [asdict(one) for one in evidence], "quality": table, "scaling": moves}
