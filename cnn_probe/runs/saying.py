"""What is said of one result, and kept beside it: figures, tables, and its part of the page."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch.utils.data import Subset

from cnn_probe.data.images import ImageSet
from cnn_probe.data.picture_folder import PictureFolder
from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.table import Table
from cnn_probe.probing.fitting import Progress
from cnn_probe.report.document.of_result import result_part
from cnn_probe.report.document.packing import as_file, from_file
from cnn_probe.report.drawing import draw
from cnn_probe.report.picture_files import KINDS, file_of
from cnn_probe.runs.finished import added_names, read_added

SAID = "page.npz"
FORMAT = 5  # raised when a part of the page changes, so that one of before is made anew


def files_of(
    asked: Answers,
    *,
    ablation: Ablation | None,
    full: bool,
    images: bool,
    seconds: Mapping[str, float],
    with_: Mapping[str, Any],
) -> dict[str, bytes]:
    """All that is kept beside a result, by file name.

    Parameters
    ----------
    asked : Answers
    ablation : Ablation or None
    full, images : bool
        As of `result_part`.
    seconds : mapping of str to float
        How long what took.
    with_ : mapping
        What was asked, which `read_said` gives back.
    """
    began = time.perf_counter()
    tables = {"inputs": _inputs(asked), **_tables(asked, full=full)}
    if ablation is not None:
        tables["causes"] = ablation.table()
    pictures = pictures_of(draw(asked, full=full, ablation=ablation))
    part = result_part(asked, full=full, ablation=ablation, images=images)
    part["seconds"] = {**seconds, "answers": time.perf_counter() - began}
    kept = as_file({"format": FORMAT, "asked": dict(with_), "part": part})
    return {**pictures, **{f"{name}.csv": csv_of(table) for name, table in tables.items()}, SAID: kept}


def read_said(folder: Path, name: str = SAID) -> dict[str, Any] | None:
    """Return what was kept of a finished result for the page; None if nothing was, or another version did.

    Raises
    ------
    ValueError
        If it is not whole any more.
    """
    kept = read_added(folder, name)
    found = None if kept is None else from_file(kept)
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


def says_all(said: Mapping[str, Any] | None, plan: Any) -> bool:
    """Whether what was kept says all that a plan asks for: its ``ablate``, ``full`` and ``images``."""
    if said is None:
        return False
    asked = said["asked"]
    told = plan.ablate in (None, asked["ablate"]) and asked["full"] >= plan.full
    told = told and asked.get("starts", 1) >= getattr(plan, "starts", 1)
    return bool(told and asked["images"] == plan.images)


def with_what_was_said(plan: Any, said: Mapping[str, Any] | None) -> Any:
    """A plan that asks for what was said before as well, so that saying more of a result takes nothing away."""
    if said is None:
        return plan
    before = said["asked"]
    ablate = before["ablate"] if plan.ablate is None else plan.ablate
    more = {"starts": max(plan.starts, before["starts"])} if "starts" in before else {}
    return replace(plan, ablate=ablate, full=plan.full or before["full"], **more)


def may_stand(said: Mapping[str, Any], plan: Any, folder: Path, say: Callable[[str], None]) -> bool:
    """Whether what was kept may stand on a page: not if it shows images and the page may not, which is then said."""
    if plan.images or not said["asked"]["images"]:
        return True
    say(f"{folder} was made with images, and is left off this page; ask for it with --no-images to have it there")
    return False


def beside(folder: Path, out: Path) -> list[str]:
    """Tables and pictures that are finished in a folder, as they lie from ``out``."""
    names = sorted(added_names(folder), key=lambda name: (not name.endswith(".csv"), name))
    return [(folder / name).relative_to(out).as_posix() for name in names if name.endswith((".csv", ".png"))]


def pictures_of(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Figures as files, PNG and SVG, by file name."""
    return {f"{name}.{kind}": file_of(figure, kind) for name, figure in figures.items() for kind in KINDS}


def csv_of(table: Table) -> bytes:
    """Return what `Table.to_csv` writes."""
    text = io.StringIO()
    table.to_csv(text)
    return text.getvalue().encode()


def ablation_of(asked: Answers, data: Any, n: int, progress: Progress, what: str) -> Ablation:
    """What the factors cause, by ``n`` inputs from all over the data."""
    few = np.unique(np.linspace(0, len(data) - 1, min(n, len(data))).round().astype(int)).tolist()
    chosen = data.subset(few) if isinstance(data, ImageSet) else Subset(data, few)
    return asked.causes(data=chosen, progress=lambda done, total: progress(what, done, total))


def _tables(asked: Answers, *, full: bool) -> dict[str, Table]:
    """What is written beside a result, by a name for a file each."""
    tables = asked.tables(label_errors=full, full=full)
    stability = asked.told_stability(full)
    if stability is not None:
        tables["stability"] = stability.table()
        alike = [1.0, *stability.starts.mean(axis=1)]
        rmse = [asked.result.model.rmse_, *stability.rmse_starts]
        tables["starts"] = Table({"start": range(len(rmse)), "rmse": rmse, "mean similarity": alike})
    return tables


def _inputs(asked: Answers) -> Table:
    """One row an input: its name, what it is predicted and labelled as, and how much of each factor is in it."""
    result, n = asked.result, len(asked.result.F)
    nothing = [None] * n
    names = asked.class_names
    labels = nothing if asked.labels is None else [str(one) if names is None else names[one] for one in asked.labels]
    predicted = nothing if result.predictions is None else result.predictions
    pictures = {"picture": asked.data.names} if isinstance(asked.data, PictureFolder) else {}
    amounts = {f"factor {i}": column for i, column in enumerate(result.F.T)}  # from 0, as in all tables
    return Table({"number": range(n), **pictures, "predicted": predicted, "label": labels, **amounts})
