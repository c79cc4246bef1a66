"""What ``cnn-probe run`` does: train a network a seed, probe it at each rank, and show all on one page."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cnn_probe.data.images import ImageData, ImageSet
from cnn_probe.measures.answering.asking import ask
from cnn_probe.measures.diagnostics import enough
from cnn_probe.networks.paper_net import build_network
from cnn_probe.networks.training import train
from cnn_probe.probing.fitting import Progress, refuse, within
from cnn_probe.probing.probe import factor
from cnn_probe.probing.recording import Recorded, prepare, record
from cnn_probe.probing.result import ProbeResult
from cnn_probe.report.pages import Shown, Telling, put_results
from cnn_probe.report.standing import Mark, remove_others
from cnn_probe.runs.finished import REQUEST, add, finish, read_finished, request_of
from cnn_probe.runs.run_plan import RunPlan
from cnn_probe.runs.saying import ablation_of, beside, files_of, may_stand, read_said, says_all, with_what_was_said
from cnn_probe.system.heard import naming
from cnn_probe.system.locks import only_one
from cnn_probe.system.parts import MANIFEST, refuse_folders
from cnn_probe.system.ranges import is_whole

FORMAT = 4  # raised when what a run leaves changes, so that --resume does not mix
SAYING = ("ablate", "full", "images", "starts")  # what can be asked of a finished result without another fit of it


def run(
    data: ImageData,
    plan: RunPlan,
    out: Path,
    *,
    resume: bool = False,
    command: str | None = None,
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
    command : str, default=None
        How to run it again, for the page.
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
        mark = mark_of_run(common)
        clear = partial(remove_others, out, mark, say)
        n_made = 0
        for seed in plan.seeds:
            folders = {rank: out / f"seed-{seed}" / f"rank-{rank}" for rank in plan.ranks}
            for folder in folders.values():
                refuse_folders(folder, [MANIFEST, REQUEST])  # before the training, not after
            if resume:
                folders = {
                    rank: folder
                    for rank, folder in folders.items()
                    if not _is_finished(folder, {**common, "seed": seed, "rank": rank}, data, plan, progress, say)
                }
            if folders:
                _run_seed(data, plan, seed, folders, clear, progress, say)
            n_made += len(folders)
        if not n_made:
            say(f"all that was asked for is finished in {out}: nothing was trained or factored again")
        return put_results(out, list(_finished(out, common, plan, say)), _telling(data, common, command), mark, say)


def _common_request(data: ImageData, plan: RunPlan) -> dict[str, Any]:
    """What all results of one page have in common, as JSON gives it back."""
    epochs = plan.training(len(data.train), 0).epochs
    settings = {name: value for name, value in asdict(plan).items() if name not in ("ranks", "seeds", *SAYING)}
    return {"format": FORMAT, "dataset": data.name, "data": data.fingerprint(), **settings, "epochs": epochs}


def _refuse_ranks(data: ImageData, plan: RunPlan) -> None:
    """Find out before the training, not after."""
    largest, n, n_train = max(plan.ranks), len(data.test), len(data.train)
    if largest > n:
        raise ValueError(
            f"n_components={largest} is more than the {n} images that are probed: they are the test images, of "
            f"{n + n_train} in all, and {n_train} are trained on; choose {n} or fewer"
        )
    network = build_network(data.in_channels, data.image_size, data.n_classes, 0)
    shapes = prepare(network, data.test, layers=network.paper_layers, pool="whole").shapes
    refuse(plan.estimator(max(plan.ranks), 0), len(data.test), shapes)


def _is_finished(
    folder: Path,
    request: dict[str, Any],
    data: ImageData,
    plan: RunPlan,
    progress: Progress,
    say: Callable[[str], None],
) -> bool:
    """Whether a result is there that was asked the same; what more is asked of it is said, without another fit."""
    try:
        result = read_finished(folder, request)
        said = None if result is None else read_said(folder)
    except ValueError as error:
        say(f"{folder} is damaged, and made anew: {error}")
        return False
    if result is None:
        return False
    if not says_all(said, plan):
        what = f"seed {request['seed']}, rank {request['rank']}"
        add(folder, _said(result, data, with_what_was_said(plan, said), None, {}, within(progress, what)))
    return True


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
    recorded, seconds = _train_and_record(data, plan, seed, progress)
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
        began = time.perf_counter()
        with naming(what):
            result = factor(recorded, plan.estimator(rank, seed), progress=within(progress, what))
        took = {**seconds, "factorization": time.perf_counter() - began}
        clear()
        result.save(folder)
        said = _said(result, data, plan, recorded, took, within(progress, what))
        finish(folder, {**_common_request(data, plan), "seed": seed, "rank": rank}, said)
        say(f"{what}: RMSE {result.model.rmse_:.4f}, in {folder}")


def _said(
    result: ProbeResult,
    data: ImageData,
    plan: RunPlan,
    recorded: Recorded | None,
    seconds: dict[str, float],
    progress: Progress,
) -> dict[str, bytes]:
    """Pictures, tables, and what the page says of a result."""
    asked = ask(
        result,
        data.test,
        labels=result.labels,
        class_names=data.class_names,
        seed=result.provenance["seed"],
        recorded=recorded,
        unseen=True,  # test images
        watch=progress,
        starts=plan.starts if plan.starts > 1 else None,
    )
    found = None
    if plan.ablate is not None:
        found = ablation_of(asked, data.test, plan.ablate, progress, "taking factors out")
    how = {name: getattr(plan, name) for name in SAYING}
    return files_of(asked, ablation=found, full=plan.full, images=plan.images, seconds=seconds, with_=how)


def _train_and_record(
    data: ImageData, plan: RunPlan, seed: int, progress: Progress
) -> tuple[Recorded, dict[str, float]]:
    """A trained network over the test images, and how long what took, in seconds."""
    began = time.perf_counter()
    network = build_network(data.in_channels, data.image_size, data.n_classes, seed)
    train(
        network,
        data.train,
        plan.training(len(data.train), seed),
        progress=lambda step, n_steps, loss: progress(f"seed {seed}: training", step, n_steps),
    )
    trained = time.perf_counter()
    recorded = record(
        prepare(network, data.test, layers=network.paper_layers, pool="whole"),
        progress=lambda done, total: progress(f"seed {seed}: recording", done, total),
    )
    return recorded, {"training": trained - began, "recording": time.perf_counter() - trained}


def _accuracy(recorded: Recorded) -> float:
    return float(np.mean(recorded.predictions == recorded.labels))


def commonest(images: ImageSet) -> float:
    """Return the share of the images that are of the commonest class: the accuracy of a guess."""
    assert images.labels is not None
    return float(images.labels.bincount().max() / len(images))


def _names_its_network(request: dict[str, Any]) -> bool:
    return is_whole(request.get("seed"), 0) and is_whole(request.get("rank"), 1)


def mark_of_run(request: dict[str, Any]) -> Mark:
    """What the page of a request's results is known by."""
    return Mark.of("run", request["data"], {name: request[name] for name in sorted({*request} - {"data", "dataset"})})


def _telling(data: ImageData, request: dict[str, Any], command: str | None) -> Telling:
    """What the page says besides its results."""
    epochs = f"{request['epochs']} epoch{'s' if request['epochs'] != 1 else ''}"
    lead = [
        f"Data {request['dataset']}: {len(data.train):,} images to train on, {len(data.test):,} to test and probe "
        f"with, {data.n_classes} classes. The paper's network, {epochs}.",
        "The test images, as pixels, and what they cause in the layers were factored together, without their labels. "
        "Labels, where they are named, were looked at afterwards.",
    ]
    limits = [
        "How well the network was trained: RMSE grows with the scale of the activations, and falls with every pattern "
        "more. cnn-probe study says what holds of it over several networks."
    ]
    return Telling("Inside the network, pattern by pattern", lead, [], command=command, limits=limits)


def _finished(out: Path, common: dict[str, Any], plan: RunPlan, say: Callable[[str], None]) -> Iterator[Shown]:
    """All that was made in a folder with these data and settings, whichever run it was of."""
    found = []
    for folder in out.glob("seed-*/rank-*"):
        try:
            request = request_of(folder)
            if request is None or {**request, **common} != request or not _names_its_network(request):
                continue
            said = None if read_finished(folder, request) is None else read_said(folder)
        except ValueError:
            continue  # of another run: it is made anew when it is asked for
        if said is not None and may_stand(said, plan, folder, say):
            found.append((request["seed"], request["rank"], folder, said["part"]))
    for seed, rank, folder, part in sorted(found, key=lambda one: one[:2]):
        yield Shown(f"seed-{seed}-rank-{rank}", f"seed {seed}, rank {rank}", part, beside(folder, out))
