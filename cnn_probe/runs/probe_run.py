"""What ``cnn-probe probe`` does: record a network over a folder of pictures, and factor it at each rank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.utils.data import Subset

from cnn_probe.activations.store.estimates import size
from cnn_probe.data.picture_folder import PictureFolder
from cnn_probe.measures.answers import Answers, ask
from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.table import Table
from cnn_probe.networks.zoo import Model
from cnn_probe.probing.probe import Progress, factor, refuse
from cnn_probe.probing.recording import estimate_of, prepare, record
from cnn_probe.probing.result import ProbeResult
from cnn_probe.report.drawing import draw
from cnn_probe.report.probe_page import ProbedRank, write_probe_page
from cnn_probe.report.run_figures import png
from cnn_probe.system.locks import only_one
from cnn_probe.system.parts import MANIFEST, refuse_folders, write_bytes
from coupled_nmf import CoupledNMF


@dataclass(frozen=True)
class ProbePlan:
    """What a probe is asked for; the names are those of `probe`, and of `CoupledNMF`.

    Attributes
    ----------
    model : str
        The network's name.
    data : PictureFolder
    ranks : tuple of int
    ablate : int or None
        Pictures over which factors are taken out of the last layer; None for no such thing.
    full : bool
        Whether to find out what takes further fits: how much is used, what holds, which labels look wrong.
    layers, pool, negative, inputs, store, batch_size, solver, init, max_iter, seed
        As there.
    """

    model: str
    data: PictureFolder
    ranks: tuple[int, ...] = (10,)
    layers: Sequence[str] | None = None
    pool: str | Mapping[str, str] = "auto"
    negative: str | Mapping[str, str] = "error"
    inputs: bool | int = 64
    ablate: int | None = None
    full: bool = False
    store: Path | None = None
    batch_size: int | None = None
    solver: str = "hals"
    init: str = "auto"
    max_iter: int = 200
    seed: int = 0

    def estimator(self, rank: int) -> CoupledNMF:
        """What the activations are factored with."""
        return CoupledNMF(rank, solver=self.solver, init=self.init, max_iter=self.max_iter, random_state=self.seed)


def run_probe(model: Model, plan: ProbePlan, out: Path, *, progress: Progress, say: Callable[[str], None]) -> Path:
    """Record, factor and draw; return the page.

    Parameters
    ----------
    model : Model
        The network, and how pictures are made what it is fed.
    plan : ProbePlan
    out : Path
        A folder; each result is at once, and whole, in ``out/rank-<rank>``.
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
    prepared = prepare(
        model.network,
        plan.data,
        layers=plan.layers,
        pool=plan.pool,
        negative=plan.negative,
        preprocess=model.preprocess,
        inputs=plan.inputs,
        batch_size=plan.batch_size,
    )
    refuse(plan.estimator(max(plan.ranks)), len(plan.data), prepared.shapes)
    folders = {rank: out / f"rank-{rank}" for rank in plan.ranks}
    for folder in folders.values():
        refuse_folders(folder, [MANIFEST])
    taken = size(sum(one.n_bytes for one in estimate_of(prepared)))
    say(f"{len(plan.data)} pictures, {len(prepared.layers)} layers: their activations take {taken}")
    for name, why in prepared.skipped.items():
        say(f"left out: {name} ({why})")
    with only_one(out):
        recorded = record(prepared, store=plan.store, progress=lambda done, total: progress("recording", done, total))
        probed = []
        for rank, folder in folders.items():
            result = factor(
                recorded,
                plan.estimator(rank),
                progress=lambda step, done, total, rank=rank: progress(f"rank {rank}: {step}", done, total),  # type: ignore[misc]
            )
            result.save(folder)
            asked = ask(
                result,
                plan.data,
                labels=result.labels,
                class_names=plan.data.class_names or None,
                seed=plan.seed,
                recorded=recorded,
            )
            for name, table in {"inputs": _inputs(result, plan.data), **_tables(asked, full=plan.full)}.items():
                table.to_csv(folder / f"{name}.csv")
            found = None if plan.ablate is None else _ablation(asked, plan, rank, progress)
            drawn = pictures_of(asked, full=plan.full, ablation=found)
            for name, content in drawn.items():
                write_bytes(folder / name, content)
            probed.append(ProbedRank.of(asked, rank, folder.relative_to(out), drawn, found, full=plan.full))
            say(f"rank {rank}: RMSE {result.model.rmse_:.4f}, in {folder}")
        return write_probe_page(probed, prepared, plan.model, plan.data, out, notice=say)


def _tables(asked: Answers, *, full: bool) -> dict[str, Table]:
    """What is written beside a result, by a name for a file each."""
    tables = asked.tables(label_errors=full)
    return tables | ({"use": asked.use.table(), "stability": asked.stability.table()} if full else {})


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
    amounts = {f"factor {i + 1}": column for i, column in enumerate(result.F.T)}
    return Table({"picture": data.names, "predicted": predicted, "label": labels, **amounts})
