"""What ``cnn-probe run`` does: train a network a seed, probe it at each rank, and show all on one page."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cnn_probe.data.images import ImageData, ImageSet
from cnn_probe.measures.diagnostics import enough
from cnn_probe.networks.paper_net import build_network
from cnn_probe.networks.training import TrainingPlan, train
from cnn_probe.probing.probe import Progress, factor, refuse
from cnn_probe.probing.recording import Recorded, prepare, record
from cnn_probe.probing.result import ProbeResult
from cnn_probe.report.run_figures import draw_result
from cnn_probe.report.run_page import Probed, mark_of_run, write_run_page
from cnn_probe.report.standing import remove_others
from cnn_probe.runs.finished import REQUEST, finish, read_finished, request_of
from cnn_probe.system.heard import naming
from cnn_probe.system.locks import only_one
from cnn_probe.system.parts import MANIFEST, refuse_folders
from cnn_probe.system.ranges import is_whole
from coupled_nmf import CoupledNMF

FORMAT = 3  # raised when what a run leaves changes, so that --resume does not mix
EPOCH = 938  # steps of one epoch of MNIST, for which the paper trains: data that give as many need no second
STEPS = 1500  # for smaller data: the digits then come to 96 or 97%, in 938 steps to 95


@dataclass(frozen=True)
class RunPlan:
    """What a run is asked for.

    Attributes
    ----------
    ranks, seeds : tuple of int
        One probe each of each; one network a seed.
    epochs : int or None
        Passes over the training data; None for one of data as large as MNIST, and of smaller data for as many as make
        `STEPS` optimizer steps.
    solver, init, max_iter
        As in `CoupledNMF`.
    """

    ranks: tuple[int, ...] = (10,)
    seeds: tuple[int, ...] = (0,)
    epochs: int | None = None
    solver: str = "hals"
    init: str = "auto"
    max_iter: int = 200

    def training(self, n_images: int, seed: int) -> TrainingPlan:
        """How a network is trained on so many images."""
        steps_an_epoch = math.ceil(n_images / TrainingPlan().batch_size)
        epochs = 1 if steps_an_epoch >= EPOCH else math.ceil(STEPS / steps_an_epoch)
        return TrainingPlan(epochs=self.epochs or epochs, seed=seed)

    def estimator(self, rank: int, seed: int) -> CoupledNMF:
        """What its activations are factored with."""
        return CoupledNMF(rank, solver=self.solver, init=self.init, max_iter=self.max_iter, random_state=seed)


def run(
    data: ImageData,
    plan: RunPlan,
    out: Path,
    *,
    resume: bool = False,
    progress: Progress,
    say: Callable[[str], None],
) -> Path:
    """Train and probe; return the page.

    Parameters
    ----------
    data : ImageData
        Images to train and to probe with.
    plan : RunPlan
        Ranks, seeds, solver.
    out : Path
        A folder; each result is at once, and whole, in ``out/seed-<seed>/rank-<rank>``.
    resume : bool, default=False
        Leave alone what is there, is whole, and was asked for in the same way.
    progress : callable
        ``progress(what, done, total)``.
    say : callable
        Called with each line for people.

    Raises
    ------
    ValueError
        If a rank cannot be.
    BlockingIOError
        If another run is at work in the folder.
    """
    common = _common_request(data, plan)
    _refuse_ranks(data, plan)
    with only_one(out):
        clear = partial(remove_others, out, mark_of_run(common), say)
        n_made = 0
        for seed in plan.seeds:
            folders = {rank: out / f"seed-{seed}" / f"rank-{rank}" for rank in plan.ranks}
            for folder in folders.values():
                refuse_folders(folder, [MANIFEST, REQUEST])  # before the training, not after
            if resume:
                folders = {
                    rank: folder
                    for rank, folder in folders.items()
                    if not _is_finished(folder, {**common, "seed": seed, "rank": rank}, say)
                }
            if folders:
                _run_seed(data, plan, seed, folders, clear, progress, say)
            n_made += len(folders)
        if not n_made:
            say(f"all that was asked for is finished in {out}: nothing was trained or factored again")
        guess = commonest(data.test)
        return write_run_page(list(_finished(out, common)), data, common, guess, enough(guess), out, notice=say)


def _common_request(data: ImageData, plan: RunPlan) -> dict[str, Any]:
    """What all results of one page have in common, as JSON gives it back."""
    epochs = plan.training(len(data.train), 0).epochs
    settings = {name: value for name, value in asdict(plan).items() if name not in ("ranks", "seeds")}
    return {"format": FORMAT, "dataset": data.name, "data": data.fingerprint(), **settings, "epochs": epochs}


def _refuse_ranks(data: ImageData, plan: RunPlan) -> None:
    """Find out before the training, not after."""
    network = build_network(data.in_channels, data.image_size, data.n_classes, 0)
    shapes = prepare(network, data.test, layers=network.paper_layers, pool="whole").shapes
    refuse(plan.estimator(max(plan.ranks), 0), len(data.test), shapes)


def _is_finished(folder: Path, request: dict[str, Any], say: Callable[[str], None]) -> bool:
    try:
        return read_finished(folder, request) is not None
    except ValueError as error:
        say(f"{folder} is damaged, and made anew: {error}")
        return False


def _run_seed(
    data: ImageData,
    plan: RunPlan,
    seed: int,
    folders: dict[int, Path],
    clear: Callable[[], None],
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    """Train one network, and probe it at each rank; ``clear`` is called before a result is replaced."""
    recorded = _train_and_record(data, plan, seed, progress)
    accuracy = _accuracy(recorded)
    say(f"seed {seed}: accuracy {accuracy:.1%} on {len(data.test)} test images")
    guess = commonest(data.test)
    if accuracy < enough(guess):
        warnings.warn(
            f"the network of seed {seed} has learned little: its accuracy is {accuracy:.1%}, and always naming the "
            f"commonest class gives {guess:.1%}. What is found in it says little; train it longer (--epochs).",
            stacklevel=2,
        )
    for rank, folder in folders.items():
        what = f"seed {seed}, rank {rank}"
        with naming(what):
            result = factor(
                recorded,
                plan.estimator(rank, seed),
                progress=lambda step, done, total, what=what: progress(f"{what}: {step}", done, total),  # type: ignore[misc]
            )
        clear()
        result.save(folder)
        finish(folder, {**_common_request(data, plan), "seed": seed, "rank": rank}, draw_result(result, data))
        say(f"{what}: RMSE {result.model.rmse_:.4f}, in {folder}")


def _train_and_record(data: ImageData, plan: RunPlan, seed: int, progress: Progress) -> Recorded:
    network = build_network(data.in_channels, data.image_size, data.n_classes, seed)
    train(
        network,
        data.train,
        plan.training(len(data.train), seed),
        progress=lambda step, n_steps, loss: progress(f"seed {seed}: training", step, n_steps),
    )
    return record(
        prepare(network, data.test, layers=network.paper_layers, pool="whole"),
        progress=lambda done, total: progress(f"seed {seed}: recording", done, total),
    )


def _accuracy(recorded: Recorded) -> float:
    return float(np.mean(recorded.predictions == recorded.labels))


def commonest(images: ImageSet) -> float:
    """Return the share of the images that are of the commonest class: the accuracy of a guess."""
    assert images.labels is not None
    return float(images.labels.bincount().max() / len(images))


def _names_its_network(request: dict[str, Any]) -> bool:
    return is_whole(request.get("seed"), 0) and is_whole(request.get("rank"), 1)


def _finished(out: Path, common: dict[str, Any]) -> Iterator[Probed]:
    """All that was made in a folder with these data and settings, whichever run it was of."""
    for folder in out.glob("seed-*/rank-*"):
        try:
            request = request_of(folder)
            if request is None or {**request, **common} != request or not _names_its_network(request):
                continue
            result = read_finished(folder, request)
        except ValueError:
            continue  # of another run: it is made anew when it is asked for
        if isinstance(result, ProbeResult):
            yield Probed.of(result, request["seed"], request["rank"], folder.relative_to(out))
