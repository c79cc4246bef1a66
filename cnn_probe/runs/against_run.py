"""What ``cnn-probe probe --against`` does: a second network on the same pictures, probed likewise and compared."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from cnn_probe.activations.handover import current
from cnn_probe.measures.comparing.comparison import Comparison, compare
from cnn_probe.measures.comparing.stability import refits
from cnn_probe.networks.calling import device_of
from cnn_probe.networks.fingerprints import fingerprint
from cnn_probe.networks.zoo import Model, load_model
from cnn_probe.probing.fitting import Progress
from cnn_probe.probing.result import ProbeResult
from cnn_probe.report.document.cards.verdicts import comparison_card
from cnn_probe.report.document.of_comparison import comparison_part
from cnn_probe.report.document.packing import as_file
from cnn_probe.report.plots.comparison import comparison_figure
from cnn_probe.runs.finished import add
from cnn_probe.runs.probe_plan import ProbePlan, Subject
from cnn_probe.runs.saying import FORMAT, csv_of, pictures_of, read_said
from cnn_probe.system.names import shown

COMPARED = "comparison.npz"
STARTS = 3  # others of each network: with fewer, no factor can be beyond the spread
SEED = 1  # of random weights, so that they are never those of --random, whose seed is 0


@dataclass(frozen=True)
class Against:
    """A second network.

    Attributes
    ----------
    what : str
        As it was asked for.
    name : str
        What it is, as a page says it.
    model : Model
    untrained : bool
        Whether it is of the first's model, with random weights.
    """

    what: str
    name: str
    model: Model
    untrained: bool = False

    def subject(self, plan: ProbePlan, progress: Progress, say: Callable[[str], None]) -> Subject:
        """Prepare it as the first was; what takes out factors or needs further fits is asked of the first alone."""
        plan, called = replace(plan, ablate=None, full=False), f", against {shown(self.what, None)}"
        try:
            return Subject.of(self.model, plan, progress=progress, say=say, called=called)
        except (ValueError, TypeError) as error:
            raise ValueError(f"--against {self.what}: {error}") from error


def load_against(what: str, first: Model, name: str, *, first_is_random: bool = False) -> Against:
    """Load a second network.

    Parameters
    ----------
    what : str
        ``random``, a file of weights for the same model, ``MODEL=FILE``, ``MODEL=random``, or a factory.
    first : Model
        The network that it is held against.
    name : str
        The first's model.
    first_is_random : bool, default=False
        Whether it is untrained, too.

    Raises
    ------
    ValueError
        If there is no such network, or it is the first.
    """
    model, weights, said = _read(what, name, first_is_random)
    random, before = weights == "random", fingerprint(first.network)
    file = None if random or not weights else weights
    try:
        second = load_model(model, file, random=random, seed=SEED)
    except (ValueError, TypeError, OSError, ImportError) as error:
        raise ValueError(f"--against {what}: {error}") from error
    if second.network is first.network or fingerprint(first.network) != before:
        raise ValueError(f"--against {what}: {model} is one network; name a function that makes a new one of each call")
    if model == name and fingerprint(second.network) == before:
        raise ValueError(f"--against {what} is the network itself, with the same weights; name others")
    if model == name and random:
        _warn_of_weights_that_are_set(first, second, what)
    return Against(what, said, second, untrained=random and model == name)


def _read(what: str, name: str, first_is_random: bool) -> tuple[str, str, str]:
    """Return which model, which weights (a file, random, or empty: what a factory gives), and what that is called."""
    of, _, weights = what.partition("=")
    if what == "random":
        return name, what, f"the same network, {'with other random weights' if first_is_random else 'untrained'}"
    if os.path.isfile(os.path.expanduser(what)):
        return name, what, f"the same network with the weights of {Path(what).name}"
    if ":" not in of:
        raise ValueError(f"--against {what} is no file of weights, nor random, MODEL=FILE or MODEL=random")
    return (
        of,
        weights,
        {"random": f"{of}, untrained", "": of}.get(weights, f"{of} with the weights of {Path(weights).name}"),
    )


def _warn_of_weights_that_are_set(first: Model, second: Model, what: str) -> None:
    """Say it if a factory fills some of the weights itself, so that they are not random."""
    pairs = list(zip(first.network.parameters(), second.network.parameters(), strict=True))
    drawn = [(a, b) for a, b in pairs if a.numel() > 1 and a.min() < a.max()]
    same = sum(torch.equal(a.cpu(), b.cpu()) for a, b in drawn)
    if same:
        warnings.warn(
            f"--against {what}: {same} of {len(drawn)} weights are those of the network itself: what makes it sets "
            "them, so the second network is not wholly untrained",
            stacklevel=3,
        )


Side = tuple[Subject, ProbeResult]


def compare_rank(
    a: Side,
    b: Side,
    rank: int,
    folder: Path,
    against: Against,
    say: Callable[[str], None],
) -> bool:
    """Compare two results of one rank, unless that is finished; whether it was done.

    Parameters
    ----------
    a, b : tuple of Subject and ProbeResult
        Of the network of the page, whose result is finished in ``folder``, and of the second.
    rank : int
    folder : Path
        Tables are written there.
    against : Against
        What the second is.
    say : callable
        Called with a line for people.
    """
    if read_compared(folder, b[0]) is not None:
        return False
    found = _comparison(a, b, rank)
    assert found.units is not None, "the activations of both were given"
    factors = found.table()
    tables = {
        "comparison": factors,
        "comparison-errors": found.errors.table(),
        "comparison-units": found.units.table(),
    }
    files = {f"{name}.csv": csv_of(table) for name, table in tables.items()}
    files |= pictures_of({"comparison": comparison_figure(found, ("this network", "the second"))})
    second = replace(b[1], network=b[0].prepared.network, preprocess=b[0].prepared.source.preprocess)
    part = comparison_part(found, b[0].answers(second, rank), against.name, images=b[0].plan.images)
    said = {"format": FORMAT, "against": b[0].request, "images": b[0].plan.images, "part": part}
    add(folder, files | {COMPARED: as_file({**said, "card": comparison_card(part)})})
    counts = part["counts"]
    matched = counts["matched"] + counts["changed"]
    others = [f"{counts[verdict]} {verdict}" for verdict in ("lost", "new", "unmatched")]
    changed = f" ({counts['changed']} of them changed)" if counts["changed"] else ""
    say(f"rank {rank}{b[0].called}: {matched} of {rank} factors matched{changed}, {', '.join(others)}")
    return True


def read_compared(folder: Path, second: Subject) -> dict[str, Any] | None:
    """Return what the page says of the comparison that is finished in a folder; None if there is none with this one.

    Raises
    ------
    ValueError
        If it is not whole any more.
    """
    said = read_said(folder, COMPARED)
    same = said is not None and said["against"] == second.request and said["images"] == second.plan.images
    return said if same else None


def _comparison(a: Side, b: Side, rank: int) -> Comparison:
    """With other starts of each, and what was recorded of both."""
    starts = []
    with ExitStack() as devices:
        for seed, (subject, result) in enumerate((a, b), start=1):
            devices.enter_context(current(device_of(subject.prepared.network)))
            what = f"rank {rank}{subject.called}: other starts"
            starts.append(
                refits(
                    subject.recorded.X,
                    result.model,
                    STARTS,
                    random_state=subject.plan.seed + seed,  # not the same starts of both
                    progress=lambda done, total, tell=subject.progress, what=what: tell(what, done, total),  # type: ignore[misc]
                )
            )
        return compare(
            a[1],
            b[1],
            starts_a=starts[0],
            starts_b=starts[1],
            X_a=a[0].recorded.X,
            X_b=b[0].recorded.X,
            # One folder, read at one size: what differs, if anything, is how each network is fed. Neither recording is
            # of pictures that have changed since both requests were made, which `Subject.recorded` sees to.
            same_inputs=a[0].plan.data is b[0].plan.data,
            random_state=a[0].plan.seed,
        )
