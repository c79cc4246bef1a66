"""What ``cnn-probe probe`` does: record a network over a folder of pictures, and factor it at each rank."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cnn_probe.networks.zoo import Model
from cnn_probe.probing.fitting import Progress, within
from cnn_probe.probing.probe import factor
from cnn_probe.probing.result import ProbeResult
from cnn_probe.report.pages import HOLD_ONE, Shown, Telling, put_results
from cnn_probe.report.standing import Mark, remove_others
from cnn_probe.runs.against_run import Against, compare_rank, read_compared
from cnn_probe.runs.finished import REQUEST, add, finish, read_finished, request_of
from cnn_probe.runs.probe_plan import ProbePlan, Subject
from cnn_probe.runs.saying import ablation_of, beside, files_of, may_stand, read_said, says_all, with_what_was_said
from cnn_probe.system.heard import naming
from cnn_probe.system.locks import only_one
from cnn_probe.system.parts import MANIFEST, refuse_folders
from cnn_probe.system.ranges import is_whole


def run_probe(
    model: Model,
    plan: ProbePlan,
    out: Path,
    *,
    against: Against | None = None,
    resume: bool = False,
    command: str | None = None,
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
    command : str, default=None
        How to run it again, for the page.
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
        mark = mark_of_probe(subject.request)
        clear = partial(remove_others, out, mark, say)
        n_made = 0
        for rank, folder in folders.items():
            result, made = _probed(subject, rank, folder, resume, clear, say)
            n_made += made
            if other is not None and against is not None:
                own = folder / "against"
                second, made = _probed(other, rank, own, resume, clear, say)
                n_made += made + compare_rank((subject, result), (other, second), rank, folder, against, say)
        if not n_made:
            say(f"all that was asked for is finished in {out}: nothing was recorded or factored again")
        shown = list(_finished(out, subject, other, against, say))
        return put_results(out, shown, _telling(subject, against, command), mark, say)


def _probed(
    subject: Subject,
    rank: int,
    folder: Path,
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
    before = None if kept is None else read_said(folder)
    if kept is not None and says_all(before, plan):
        say(f"{called}: finished before, in {folder}")
        return kept, False
    recorded = subject.recorded
    seconds = {"recording": subject.seconds}
    if kept is None:
        began = time.perf_counter()
        with naming(called):
            result = factor(recorded, plan.estimator(rank), progress=within(subject.progress, called))
        seconds["factorization"] = time.perf_counter() - began
        clear()
        result.save(folder)
        finish(folder, request, _said(subject, plan, result, rank, seconds))
    else:
        prepared = subject.prepared
        result = replace(kept, network=prepared.network, preprocess=prepared.source.preprocess)
        add(folder, _said(subject, with_what_was_said(plan, before), result, rank, seconds))
    again = "" if kept is None else ", not fitted again"
    say(f"{called}: RMSE {result.model.rmse_:.4f}{again}, in {folder}")
    return result, True


def _kept(folder: Path, request: Mapping[str, Any], say: Callable[[str], None]) -> ProbeResult | None:
    try:
        return read_finished(folder, request)
    except ValueError as error:
        say(f"{folder} is damaged, and made anew: {error}")
        return None


def _said(
    subject: Subject, plan: ProbePlan, result: ProbeResult, rank: int, seconds: Mapping[str, float]
) -> dict[str, bytes]:
    """Pictures, tables, and what the page says of a result, as a plan asks for it."""
    called = f"rank {rank}{subject.called}"
    asked = subject.answers(result, rank)
    found = None
    if plan.ablate is not None:
        found = ablation_of(asked, plan.data, plan.ablate, subject.progress, f"{called}: taking factors out")
    how = {"ablate": plan.ablate, "full": plan.full, "images": plan.images}
    return files_of(asked, ablation=found, full=plan.full, images=plan.images, seconds=seconds, with_=how)


def mark_of_probe(request: Mapping[str, Any]) -> Mark:
    """What the page of a request's results is known by."""
    return Mark.of("probe", request["data"], {name: request[name] for name in sorted({*request} - {"data"})})


def _telling(subject: Subject, against: Against | None, command: str | None) -> Telling:
    """What the page says besides its results."""
    plan, data = subject.plan, subject.plan.data
    classes = f", {len(data.class_names)} classes" if data.class_names else ""
    held = f" Held against {against.name}." if against is not None else ""
    lead = (
        f"{len(data):,} pictures of {data.size[0]}×{data.size[1]} pixels{classes}; "
        f"{len(subject.prepared.layers)} layers.{held}"
    )
    what = (
        "What the pictures cause in the layers was factored together with the pictures. Labels took no part; where "
        "they are named, they were looked at afterwards."
    )
    untrained = against is not None and against.untrained
    return Telling(
        f"Inside {plan.model}, pattern by pattern",
        [lead, what],
        [],
        command=command,
        untrained="one stands beside it, in the comparison" if untrained else HOLD_ONE,
    )


def _finished(
    out: Path, subject: Subject, other: Subject | None, against: Against | None, say: Callable[[str], None]
) -> Iterator[Shown]:
    """All ranks that were probed in a folder in the same way, whichever run it was, beside the second network."""
    found = []
    for folder in out.glob("rank-*"):
        try:
            request = request_of(folder)
            if request is None or {**request, **subject.request} != request or not is_whole(request.get("rank"), 1):
                continue
            said = None if read_finished(folder, request) is None else read_said(folder)
            compared = None if other is None else read_compared(folder, other)
            second = None if compared is None else read_said(folder / "against")
        except ValueError:
            continue  # of another run: it is made anew when it is asked for
        if said is not None and may_stand(said, subject.plan, folder, say):
            found.append((request["rank"], folder, said["part"], compared, second))
    for rank, folder, part, compared, second in sorted(found, key=lambda one: one[0]):
        files = [file for file in beside(folder, out) if compared or not Path(file).stem.startswith("comparison")]
        if compared is not None:
            part = {**part, "comparison": compared["part"], "cards": [*part["cards"], compared["card"]]}
        yield Shown(f"rank-{rank}", f"rank {rank}", part, files)
        if second is not None and against is not None and may_stand(second, subject.plan, folder, say):
            yield Shown(f"rank-{rank}-against", f"rank {rank}: {against.name}", second["part"])
