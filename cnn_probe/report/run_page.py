"""The page of a run: what was found in each network, at each rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_probe.data.images import ImageData
from cnn_probe.probing.result import ProbeResult
from cnn_probe.report.page import template
from cnn_probe.report.run_figures import captions
from cnn_probe.report.standing import Mark, put_page


@dataclass(frozen=True)
class Probed:
    """What the page says of one probe."""

    seed: int
    rank: int
    folder: str
    layers: tuple[str, ...]
    accuracy: float | None
    rmse: float
    relative_error: dict[str, float]
    settled: bool
    provenance: dict[str, Any]

    @classmethod
    def of(cls, result: ProbeResult, seed: int, rank: int, folder: Path) -> Probed:
        """Of a result that lies in a folder, relative to the page's."""
        model = result.model
        return cls(
            seed=seed,
            rank=rank,
            folder=folder.as_posix(),
            layers=result.layers,
            accuracy=result.accuracy,
            rmse=model.rmse_,
            relative_error=model.block_relative_error_,
            settled=model.n_iter_ < model.max_iter,
            provenance=result.provenance,
        )

    def pictures(self) -> list[tuple[str, str]]:
        """File and caption of each."""
        return [(f"{self.folder}/{name}", caption) for name, caption in captions(self.layers).items()]


def mark_of_run(request: dict[str, Any]) -> Mark:
    """What the page of a request's results is known by; ``request`` as of `write_run_page`."""
    return Mark.of("run", request["data"], {name: request[name] for name in sorted({*request} - {"data", "dataset"})})


def write_run_page(
    probed: Sequence[Probed],
    data: ImageData,
    request: dict[str, Any],
    guess: float,
    little: float,
    out: Path,
    *,
    notice: Callable[[str], None] | None = None,
) -> Path:
    """Write ``index.html`` and return its path.

    Parameters
    ----------
    probed : sequence of Probed
        What was found, at least one.
    data : ImageData
        The images.
    request : dict
        What all of them were asked for.
    guess, little : float
        Accuracy of always naming the commonest class, and below which a network has learned little.
    out : Path
        The folder that theirs lie in.
    notice : callable, default=None
        As of `put_page`.
    """
    mark, page = mark_of_run(request), template("run.html.jinja")

    def render(links: str) -> str:
        return page.render(
            probed=sorted(probed, key=lambda one: (one.seed, one.rank)),
            data=data,
            request=request,
            guess=guess,
            little=little,
            mark=mark,
            links=links,
        )

    return put_page(out, mark, render, notice)
