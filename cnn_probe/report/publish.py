"""What studies leave in a folder besides the networks: figures, ``results.json`` and the page, all of one run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnn_probe.report.page import mark_of_study, write_page
from cnn_probe.report.standing import pages, remove_others
from cnn_probe.report.study_figures import draw_figures, refuse_figures
from cnn_probe.system.names import shown
from coupled_nmf import atomic_open

Results = dict[str, Any]
RESULTS = "results.json"


def publish(results: Results, out: Path, *, notice: Callable[[str], None] | None = None) -> Path:
    """Draw the figures, write ``results.json`` and the page, and return the page's path.

    What stands there of other data or other settings goes first, so that no page ever shows another run's figures,
    also when this is interrupted. Networks stay, and so does the page of a run, under a name of its own.

    Parameters
    ----------
    results : dict
        What `run_studies` returned.
    out : Path
        The folder that it was given.
    notice : callable, default=None
        ``notice(text)`` hears that an earlier page goes, or gets another name.
    """
    refuse_figures({name: study["figures"] for name, study in results["studies"].items()})
    mark = mark_of_study(results)
    odd = _what_is_odd(out / RESULTS, results) if (out / RESULTS).exists() else None
    if odd is not None:
        if notice is not None:
            notice(f"{shown(str(out), None)} held a page of {odd}; it is replaced, its finished networks are kept")
        for page in pages(out, mark.kind):
            page.unlink()
        (out / RESULTS).unlink(missing_ok=True)
    remove_others(out, mark, notice)
    drawn = draw_figures(results, results["provenance"]["classes"], out)
    with atomic_open(out / RESULTS) as file:
        file.write(json.dumps(results, allow_nan=False).encode())
    return write_page(results, drawn, out, notice=notice)


def _what_is_odd(path: Path, results: Results) -> str | None:
    """Say what sets the results at the path apart from these; None if they are of the same data and settings."""
    try:
        earlier, now = json.loads(path.read_bytes())["provenance"], json.loads(json.dumps(results["provenance"]))
        differ = [what for what in ("data", "settings") if earlier[what] != now[what]]
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return f"which the {RESULTS} is damaged"
    return f"other {' and '.join(differ)}" if differ else None
