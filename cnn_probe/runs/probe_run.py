"""What ``cnn-probe probe`` does: record a network over a folder of pictures, and factor it at each rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Subset

from cnn_probe.data.picture_folder import PictureFolder
from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.answering.asking import ask
from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.table import Table
from cnn_probe.networks.zoo import Model
from cnn_probe.probing.probe import Progress, factor
from cnn_probe.probing.result import ProbeResult
from cnn_probe.report.drawing import draw
from cnn_probe.report.probe_page import ProbedRank, mark_of_probe, write_probe_page
from cnn_probe.report.run_figures import png
from cnn_probe.report.standing import remove_others
from cnn_probe.runs.against_run import Against, compare_rank, read_compared
from cnn_probe.runs.finished import REQUEST, add, finish, read_finished, request_of
from cnn_probe.runs.probe_plan import ProbePlan, Subject
from cnn_probe.runs.told import csv_of, keep, read_told
from cnn_probe.system.heard import naming
from cnn_probe.system.locks import only_one
from cnn_probe.system.parts import MANIFEST, refuse_folders
from cnn_probe.system.ranges import is_whole

TOLD = "page.json"


def run_probe(
    model: Model,
    plan: ProbePlan,
    out: Path,
    *,
    against: Against | None = None,
    resume: bool = False,
    progress: Progress,
    say: Callable[[str], None],
) -> Path:
    """Record, factor and draw; return the page.

    Parameters
    ----------
    model : Model
        The network, and how pictures are made what it is fed.
    plan : ProbePlan
    out : Path
        A folder; each result is at once, and whole, in ``out/rank-<rank>``.
    against : Against, default=None
        A second network, which is probed in the same way and compared: in ``out/rank-<rank>/against``.
    resume : bool, default=False
        Leave alone what is there, is whole, and was asked for in the same way: it is not factored again, and networks
        are recorded only if something is left to be made of them.
    progress : callable
        ``progress(what, done, total)``.
    say : callable
        Called with each line for people.

    Raises
    ------
    ValueError
        Of `probe`.
    BlockingIOError
        If another run is at work in the folder.
    """
    subject = Subject.of(model, plan, progress=progress, say=say)
    other = None if against is None else against.subject(plan, progress, say)
    folders = {rank: out / f"rank-{rank}" for rank in plan.ranks}
    for folder in [*folders.values(), *(folder / "against" for folder in folders.values() if other)]:
        refuse_folders(folder, [MANIFEST, REQUEST])
    with only_one(out):
        clear = partial(remove_others, out, mark_of_probe(subject.request), say)
        n_made = 0
        for rank, folder in folders.items():
            result, made = _probed(subject, rank, folder, out, resume, clear, say)
            n_made += made
            if other is not None:
                own = folder / "against"
                second, made = _probed(other, rank, own, out, resume, clear, say)
                pictures = read_told(own, TOLD)["said"].pictures
                n_made += made + compare_rank((subject, result), (other, second), rank, folder, pictures, say)
        if not n_made:
            say(f"all that was asked for is finished in {out}: nothing was recorded or factored again")
        return write_probe_page(
            list(_finished(out, subject, other)),
            subject.prepared,
            subject.request,
            plan.model,
            plan.data,
            out,
            against=None if against is None else against.name,
            notice=say,
        )


def _probed(
    subject: Subject,
    rank: int,
    folder: Path,
    out: Path,
    resume: bool,
    clear: Callable[[], None],
    say: Callable[[str], None],
) -> tuple[ProbeResult, bool]:
    """Factor at one rank and say all of it in a folder, as far as that is not finished there; whether it was not.

    ``clear`` is called before a result is replaced.
    """
    plan, called = subject.plan, f"rank {rank}{subject.called}"
    request = {**subject.request, "rank": rank}
    kept = _kept(folder, request, say) if resume else None
    if kept is not None and _says_all(read_told(folder, TOLD), plan):
        say(f"{called}: finished before, in {folder}")
        return kept, False
    recorded = subject.recorded
    if kept is None:
        with naming(called):
            result = factor(
                recorded,
                plan.estimator(rank),
                progress=lambda step, done, total: subject.progress(f"{called}: {step}", done, total),
            )
        clear()
        result.save(folder)
        finish(folder, request, _said(subject, result, rank, folder.relative_to(out)))
    else:
        prepared = subject.prepared
        result = replace(kept, network=prepared.network, preprocess=prepared.source.preprocess)
        add(folder, _said(subject, result, rank, folder.relative_to(out)))
    again = "" if kept is None else ", not fitted again"
    say(f"{called}: RMSE {result.model.rmse_:.4f}{again}, in {folder}")
    return result, True


def _kept(folder: Path, request: Mapping[str, Any], say: Callable[[str], None]) -> ProbeResult | None:
    try:
        return read_finished(folder, request)
    except ValueError as error:
        say(f"{folder} is damaged, and made anew: {error}")
        return None


def _says_all(told: Any, plan: ProbePlan) -> bool:
    """Whether what was kept of a rank says all that is asked now."""
    return told is not None and plan.ablate in (None, told["ablate"]) and told["full"] >= plan.full


def _said(subject: Subject, result: ProbeResult, rank: int, folder: Path) -> dict[str, bytes]:
    """Pictures, tables, and what the page says of a result that lies in a folder, relative to the page's."""
    plan = subject.plan
    classes = plan.data.class_names or None
    asked = ask(
        result,
        plan.data,
        labels=result.labels,
        class_names=classes,
        seed=plan.seed,
        recorded=subject.recorded,
        watch=lambda what, done, total: subject.progress(f"rank {rank}{subject.called}: {what}", done, total),
    )
    tables = {"inputs": _inputs(result, plan.data), **_tables(asked, full=plan.full)}
    found = None if plan.ablate is None else _ablation(asked, plan, rank, subject.progress)
    drawn = pictures_of(asked, full=plan.full, ablation=found)
    if found is not None:
        tables["causes"] = found.table()
    said = ProbedRank.of(asked, rank, folder, drawn, found, full=plan.full)
    told = {"ablate": plan.ablate, "full": plan.full, "said": said}
    return {**drawn, **{f"{name}.csv": csv_of(table) for name, table in tables.items()}, TOLD: keep(told)}


def _finished(out: Path, subject: Subject, other: Subject | None) -> Iterator[ProbedRank]:
    """All ranks that were probed in a folder in the same way, whichever run it was, beside the second network."""
    for folder in out.glob("rank-*"):
        try:
            request = request_of(folder)
            if request is None or {**request, **subject.request} != request or not is_whole(request.get("rank"), 1):
                continue
            told = None if read_finished(folder, request) is None else read_told(folder, TOLD)
            compared = None if other is None else read_compared(folder, other)
        except ValueError:
            continue  # of another run: it is made anew when it is asked for
        if told is not None:
            yield replace(told["said"], compared=compared)


def _tables(asked: Answers, *, full: bool) -> dict[str, Table]:
    """What is written beside a result, by a name for a file each."""
    tables = asked.tables(label_errors=full)
    found = {name: asked.tried(name) for name in ("use", "stability", "head_agreement")} if full else {}
    return tables | {name.replace("_", "-"): answer.table() for name, answer in found.items() if answer is not None}


def _ablation(asked: Answers, plan: ProbePlan, rank: int, progress: Progress) -> Ablation:
    """What the factors cause, by pictures from all over the folder."""
    assert plan.ablate is not None
    few = np.unique(np.linspace(0, len(plan.data) - 1, plan.ablate).round().astype(int)).tolist()
    return asked.causes(
        data=Subset(plan.data, few),
        progress=lambda done, total: progress(f"rank {rank}: taking factors out", done, total),
    )


def pictures_of(asked: Answers, *, full: bool = False, ablation: Ablation | None = None) -> dict[str, bytes]:
    """The drawings of one result, PNG by file name."""
    return {f"{name}.png": png(figure) for name, figure in draw(asked, full=full, ablation=ablation).items()}


def _inputs(result: ProbeResult, data: PictureFolder) -> Table:
    """One row an input: its name, what it is predicted and labelled as, and how much of each factor is in it."""
    nothing = [None] * len(data)
    labels = nothing if result.labels is None else [data.class_names[label] for label in result.labels]
    predicted = nothing if result.predictions is None else result.predictions
    amounts = {f"factor {i}": column for i, column in enumerate(result.F.T)}  # from 0, as in all tables
    return Table(
        {"number": range(len(data)), "picture": data.names, "predicted": predicted, "label": labels, **amounts}
    )
