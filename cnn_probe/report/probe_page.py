"""The page of a probe: what was found in a network that was there, over a folder of pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.store.estimates import size
from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.comparing.comparison import Comparison
from cnn_probe.measures.table import Table
from cnn_probe.measures.units import LayerUnits
from cnn_probe.probing.recording import Prepared, estimate_of
from cnn_probe.report.page import template
from cnn_probe.report.standing import Mark, put_page

ENDS = 3  # outputs that are named at either end
BESIDE = ("latent-images.png", "inputs.png", "walk.png")  # pictures that could flatter
WORST = 10  # pictures that are named: the least explained

CAPTIONS = {
    "latent-images.png": "Latent images: the pixels of each factor, strongest first, each on a scale of its own.",
    "inputs.png": "One row a factor: the pictures of which it has the largest share (their numbers below), and where "
    "in them it is by the last layer that has places; one scale a row.",
    "walk.png": "The walk of each factor: its pixels and pictures, its channels in each layer (of a pooled layer, "
    "where it is in its first picture), what it adds to the outputs, and the classes of its pictures.",
    "atlas.png": "All factors at once: how many times its mean share each channel has of it, what it adds to the "
    "outputs, and the classes of its pictures.",
    "decisions.png": "Single decisions taken apart: what each factor, what none explains (rest) and the bias add to "
    "the first output over the second; at the right where in the layer, and through which channels.",
    "causes.png": "What taking each factor out does to the classes, and to the class that is hit most, beside as much "
    "of directions with shuffled neurons and of the principal one.",
    "units.png": "Units of each layer (channels, where it has places; the table below counts neurons): dead, "
    "redundant, of one class; and how often each is active.",
    "residuals.png": "What is left of the pictures in each block, and the pictures of which most is left.",
    "labels.png": "The labels that look most wrong by each source, and what the pattern's other pictures have.",
    "use.png": "Errors beside those of plainer ways, and singular values.",
    "stability.png": "Which factors come out again from other starts and from halves of the pictures.",
}


@dataclass(frozen=True)
class LayerSummary:
    """How many units of a block are dead, redundant ("not compared" where that was not looked for) and of one class."""

    block: str
    n_units: int
    dead: int
    bound: float
    redundant: int | str
    of_one_class: int | None

    @classmethod
    def of(cls, block: str, units: LayerUnits) -> LayerSummary:
        """Count them."""
        own = units.neurons
        of_one = None if own.of_class is None else int(own.of_class.of_one.sum())
        redundant = int(own.redundant.sum()) if own.compared else "not compared"
        return cls(block, len(own.dead), int(own.dead.sum()), own.bound, redundant, of_one)


@dataclass(frozen=True)
class Compared:
    """What the page says of a rank beside the same of a second network; ``a`` is the network of the page.

    Attributes
    ----------
    factors, errors : Table
        As of `Comparison`.
    dead : list of (str, int, int, int, int)
        Of each block of a layer of both: its units, and how many are dead in a alone, in b alone, in both.
    skipped : dict of str to str
        Blocks of which the units are not compared: why.
    by_chance : float
        How many factors would be beyond the spread were the networks one.
    n_own, n_across : int
        Other starts of each network, and fits of the other one.
    beside : dict of str to str
        Pictures of the second network, by their names: where they lie.
    """

    factors: Table
    errors: Table
    dead: list[tuple[str, int, int, int, int]]
    skipped: Mapping[str, str]
    by_chance: float
    n_own: int
    n_across: int
    accuracies: tuple[float | None, float | None]
    beside: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, found: Comparison, accuracies: tuple[float | None, float | None], pictures: Sequence[tuple[str, str]]
    ) -> Compared:
        """Of a comparison, and of the second network's pictures: where they lie, and their captions."""
        units = found.units
        return cls(
            factors=found.table(),
            errors=found.errors.table(),
            dead=[]
            if units is None
            else [(name, rates.shape[1], *map(int, units.dead(name))) for name, rates in units.rates.items()],
            skipped={} if units is None else units.skipped,
            by_chance=found.expected_by_chance,
            n_own=len(found.a.own),
            n_across=len(found.a.across),
            accuracies=accuracies,
            beside={Path(file).name: file for file, _ in pictures if Path(file).name in BESIDE},
        )

    def count(self, verdict: str) -> int:
        """How many factors, or pairs of them, have a verdict."""
        return self.factors["verdict"].count(verdict)


@dataclass(frozen=True)
class ProbedRank:
    """What the page says of one rank."""

    rank: int
    folder: str
    accuracy: float | None
    no_accuracy: str | None
    rmse: float
    relative_error: dict[str, float]
    shares: Mapping[str, NDArray[Any]]
    settled: bool
    units: list[LayerSummary]
    worst: list[tuple[int, float]]
    added: list[list[tuple[str, float]]] | None
    ablation: Ablation | None
    use: Table | None
    verdicts: tuple[str, ...] | None
    agreement: Table | None
    pictures: list[tuple[str, str]]
    provenance: dict[str, Any]
    compared: Compared | None = None

    @classmethod
    def of(
        cls, asked: Answers, rank: int, folder: Path, drawn: Collection[str], ablation: Ablation | None, *, full: bool
    ) -> ProbedRank:
        """Of a result that lies in a folder, relative to the page's, with what was drawn of it and asked about it.

        ``full`` has it say as well what takes further fits.
        """
        result, residuals = asked.result, asked.residuals
        use, stability = (asked.tried(name) if full else None for name in ("use", "stability"))
        worst = residuals.worst(WORST).tolist()
        return cls(
            rank=rank,
            folder=folder.as_posix(),
            accuracy=asked.accuracy,
            no_accuracy=None if asked.labels is None else asked.missing_sources.get("network"),
            rmse=result.model.rmse_,
            relative_error=result.model.block_relative_error_,
            shares=asked.shares,
            settled=result.model.n_iter_ < result.model.max_iter,
            units=[LayerSummary.of(name, units) for name, units in asked.units.items()],
            worst=[(number, float(residuals.of_inputs[number])) for number in worst],
            added=None if asked.added is None else [_extremes(row, asked.output_names) for row in asked.added],
            ablation=ablation,
            use=None if use is None else use.table(),
            verdicts=None
            if stability is None
            else tuple(f"{one} ({of})" for one, of in zip(stability.verdicts, stability.counts, strict=True)),
            agreement=None if not full or asked.head_agreement is None else asked.head_agreement.table(),
            pictures=[(f"{folder.as_posix()}/{name}", CAPTIONS[name]) for name in CAPTIONS if name in drawn],
            provenance=result.provenance,
        )


def _extremes(row: NDArray[Any], names: Sequence[str] | None) -> list[tuple[str, float]]:
    """The outputs that are raised and lowered most, and by how much: the most raised first."""
    order = np.argsort(-row, kind="stable")
    ends = order if len(order) <= 2 * ENDS else np.concatenate([order[:ENDS], order[-ENDS:]])
    return [(str(i) if names is None else names[i], float(row[i])) for i in ends]


def mark_of_probe(request: Mapping[str, Any]) -> Mark:
    """What the page of a request's results is known by; ``request`` as of `write_probe_page`."""
    return Mark.of("probe", request["data"], {name: request[name] for name in sorted({*request} - {"data"})})


def write_probe_page(
    probed: Sequence[ProbedRank],
    prepared: Prepared,
    request: Mapping[str, Any],
    model: str,
    data: Any,
    out: Path,
    *,
    against: str | None = None,
    notice: Callable[[str], None] | None = None,
) -> Path:
    """Write ``index.html`` and return its path.

    Parameters
    ----------
    probed : sequence of ProbedRank
        At least one.
    prepared : Prepared
        What was recorded.
    request : dict
        What all of them were asked for.
    model : str
        The network's name.
    data : PictureFolder
    out : Path
        The folder that the results lie in.
    against : str, default=None
        What the second network is, if there is one.
    notice : callable, default=None
        As of `put_page`.
    """
    mark = mark_of_probe(request)
    page = template("probe.html.jinja")
    taken = [size(one.n_bytes) for one in estimate_of(prepared)]
    layers = list(zip(prepared.layers, taken, strict=True))

    def render(links: str) -> str:
        return page.render(
            probed=sorted(probed, key=lambda one: one.rank),
            layers=layers,
            skipped=prepared.skipped,
            model=model,
            against=against,
            data=data,
            n=len(data),
            mark=mark,
            links=links,
        )

    return put_page(out, mark, render, notice)
