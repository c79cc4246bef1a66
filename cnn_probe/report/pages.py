"""Pages of results: each one file, with what was found in one or several networks, at one or several ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.comparing.comparison import Comparison
from cnn_probe.report.document.of_result import result_part
from cnn_probe.report.document.shell import render
from cnn_probe.report.standing import Mark, put_page
from coupled_nmf import atomic_open

Part = dict[str, Any]
CONCEPTS = (
    "Whether a pattern is a concept of the network's. It is what occurs together in these inputs; only patterns that "
    "come again at other ranks and from other starts deserve a name."
)
LEARNED = "Whether a pattern was learned. An untrained network of the same shape has patterns, too, and neat ones; {}."
HOLD_ONE = "hold one against it (cnn-probe probe --against random; in Python save_page(..., comparison=))"
CAUSES = (
    "What causes an output: nothing was changed in the network. --ablate does that; in Python cnn_probe.ablate, for "
    "save_page(..., ablation=)."
)
UNSETTLED = "What more iterations would change: the factorization stopped at their limit (--max-iter) before it settled"


@dataclass(frozen=True)
class Shown:
    """A result on a page.

    Attributes
    ----------
    id : str
        In the page's addresses.
    label : str
        What it is called.
    part : dict
        As of `result_part`.
    files : sequence of str
        What lies beside the page, relative to it.
    """

    id: str
    label: str
    part: Part
    files: Sequence[str] = ()


@dataclass(frozen=True)
class Telling:
    """What a page says besides its results.

    Attributes
    ----------
    title : str
    lead : sequence of str
        What it is of, in a paragraph or two.
    facts : sequence of (str, str)
        Where it comes from: what, and that.
    command : str or None
        How to run it again.
    cards, studies : sequence of dict
        Of studies.
    limits : sequence of str
        What it cannot tell, beside what holds of all pages.
    untrained : str
        Where an untrained network stands beside this, or how one comes to.
    notes : sequence of str
        What was left out of it.
    more : mapping
        Further parts of the document.
    files : sequence of str
        What lies beside the page, beside what lies there of results.
    """

    title: str
    lead: Sequence[str]
    facts: Sequence[tuple[str, str]]
    command: str | None = None
    cards: Sequence[Part] = ()
    studies: Sequence[Part] = ()
    limits: Sequence[str] = ()
    untrained: str = HOLD_ONE
    notes: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[str] = ()


def document_of(shown: Sequence[Shown], told: Telling) -> Part:
    """Return the document of a page, for `render`."""
    files = [*told.files, *(file for one in shown for file in one.files)]
    return {
        "title": told.title,
        "cards": list(told.cards),
        "results": [{**one.part, "id": one.id, "label": one.label} for one in shown],
        "studies": list(told.studies),
        **told.more,
        "about": {
            "lead": list(told.lead),
            "facts": [list(fact) for fact in (*told.facts, *_facts(shown, told))],
            "limits": [*_limits(shown, told.untrained), *told.limits],
            "notes": list(told.notes),
            "command": told.command,
            "full": _in_full(told.command),
            "files": files,
            "vectors": any(file.endswith(".png") for file in files),
        },
    }


def put_results(
    out: Path, shown: Sequence[Shown], told: Telling, mark: Mark, notice: Callable[[str], None] | None = None
) -> Path:
    """Write ``index.html`` into a folder and return its path; ``mark`` and ``notice`` are those of `put_page`."""
    document = document_of(shown, told)
    return put_page(out, mark, lambda links: render(document, mark=str(mark), links=links), notice)


def save_page(
    answers: Answers,
    path: str | Path,
    *,
    title: str | None = None,
    full: bool = False,
    ablation: Ablation | None = None,
    comparison: tuple[Comparison, Answers, str] | None = None,
    images: bool = True,
) -> Path:
    """Write all that a result says into one HTML file, which opens offline, can be mailed, and asks no server.

    Parameters
    ----------
    answers : Answers
        Of `ask`.
    path : str or Path
        Of the file; its folder must be there.
    title : str, default=None
        None for the network's and the number of patterns.
    full : bool, default=False
        Whether to say as well what takes further fits, as in `draw`.
    ablation : Ablation, default=None
        Of `ablate` or `Answers.causes`: what patterns cause.
    comparison : tuple of (Comparison, Answers, str), default=None
        Of `compare`, with the answers of the second network, and what that is called.
    images : bool, default=True
        Whether inputs may be shown. Without, the page has no inputs, no latent images, no maps and no names
        of files.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from torch import nn
    >>> from cnn_probe import ask, probe
    >>> images = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    >>> answers = ask(probe(network, images, n_components=2), images)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_page(answers, f"{folder}/found.html").stat().st_size < 200_000
    True
    """
    part = result_part(answers, full=full, ablation=ablation, comparison=comparison, images=images)
    label = f"{part['network']}, {part['rank']} patterns"
    told = Telling(title or f"Inside {label}", [f"{part['n']:,} inputs, {len(answers.result.layers)} layers."], [])
    with atomic_open(Path(path)) as file:
        file.write(render(document_of([Shown("result", label, part)], told), mark="own").encode())
    return Path(path)


def _facts(shown: Sequence[Shown], told: Telling) -> list[tuple[str, str]]:
    """What is said of each result; what holds of all of them once, and what is told already not again.

    Durations are each result's own, also where they happen to be equal: else the page changed from run to run.
    """
    facts = [(one.label, _facts_of(one)) for one in shown]
    known = dict(told.facts)
    common = [
        fact
        for fact in (facts[0][1] if facts else {}).items()
        if fact[0] != "durations" and all(fact in of.items() for _, of in facts)
    ]
    own = [
        (f"{label}: {what}" if len(shown) > 1 else what, said)
        for label, of in facts
        for what, said in of.items()
        if (what, said) not in common and known.get(what) != said
    ]
    of_all = "each network shown: " if known and len(shown) > 1 else ""
    return [(f"{of_all}{what}", said) for what, said in common if known.get(what) != said] + own


def _facts_of(one: Shown) -> dict[str, str]:
    """Fingerprints, versions, seed and durations of a result, from its provenance."""
    origin = one.part["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in origin.get("versions", {}).items())
    parameters = ", ".join(f"{name} {value}" for name, value in origin.get("parameters", {}).items())
    seconds = one.part.get("seconds", {})
    found = {
        "network": origin.get("network"),
        "data": origin.get("data"),
        "seed of the factorization": origin.get("seed"),
        "factorization": parameters,
        "versions": versions,
        "device": origin.get("device"),
        "durations": ", ".join(f"{what} {time:.1f} s" for what, time in seconds.items()),
    }
    return {what: str(said) for what, said in found.items() if said not in (None, "")}


def _in_full(command: str | None) -> str | None:
    """The command that asks for all that the page's own left out; None where there is none, or it left out nothing."""
    words = (command or "").split()
    if words[:2] not in (["cnn-probe", "run"], ["cnn-probe", "probe"]) or "--full" in words:
        return None
    return f"{command} --full{'' if '--resume' in words else ' --resume'}"


def _limits(shown: Sequence[Shown], untrained: str) -> list[str]:
    if not shown:
        return []
    sizes = sorted({one.part["n"] for one in shown})
    limits = [CONCEPTS, LEARNED.format(untrained)]
    limits += [] if any(one.part["ablation"] for one in shown) else [CAUSES]
    limits += [f"{UNSETTLED} ({one.label})." for one in shown if not one.part["settled"]]
    unknown = dict.fromkeys(one.part["no_accuracy"] for one in shown if one.part["no_accuracy"])
    limits += [f"How many inputs the network is right about: {why}." for why in unknown]
    return [*limits, f"What holds of other inputs than these {' and '.join(f'{n:,}' for n in sizes)}."]
