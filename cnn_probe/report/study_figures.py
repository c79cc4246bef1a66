"""Draw the figures of studies into their folder."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnn_probe.report.figures.drawings import DRAWINGS, Material
from cnn_probe.report.figures.styles import Styles
from cnn_probe.report.picture_files import KINDS, file_of
from cnn_probe.report.plots.grid import wrapped
from cnn_probe.studies import STUDIES
from cnn_probe.studies.record import records_of
from cnn_probe.system.names import file_name, shown
from coupled_nmf import atomic_open

Results = dict[str, Any]


def draw_figures(results: Results, class_names: Sequence[str], out: Path) -> dict[str, list[tuple[str, str]]]:
    """Draw every study's figures into ``out/figures``, and remove what was there of studies but is not drawn now.

    Returns
    -------
    dict of str to list of (file, caption)
        Per study; files are relative to ``out``: PNG, and beside each lies an SVG of the same name.

    Raises
    ------
    ValueError
        If a study names a figure that is not in `DRAWINGS`, or one twice, or two whose files have one name.
    """
    refuse_figures({name: study["figures"] for name, study in results["studies"].items()})
    (out / "figures").mkdir(parents=True, exist_ok=True)
    drawn: dict[str, list[tuple[str, str]]] = {}
    records = {name: records_of(study) for name, study in results["studies"].items()}
    styles = Styles.of(records.values())
    runs = itertools.chain.from_iterable(some for by_label in records.values() for some in by_label.values())
    untrained = list({run.key: run for run in runs if run.untrained}.values())
    for name, study in results["studies"].items():
        drawn[name] = []
        material = Material(records[name], results["provenance"], class_names, out, styles, untrained)
        drawings = (DRAWINGS[figure](material) for figure in study["figures"])
        for stem, caption, figure in itertools.chain.from_iterable(drawings):
            file = f"figures/{file_name(name)}-{stem}.{KINDS[0]}"
            figure.supxlabel(wrapped(caption, figure.get_figwidth()), x=0.005, ha="left", fontsize=7, parse_math=False)
            if file in (earlier for earlier, _ in drawn[name]):
                raise ValueError(f"study {shown(name)} has two figures {stem!r}; give one another stem in DRAWINGS")
            for kind in KINDS:
                with atomic_open((out / file).with_suffix(f".{kind}")) as picture:
                    picture.write(file_of(figure, kind))
            drawn[name].append((file, caption))
    named = {(out / file).with_suffix(f".{kind}") for pairs in drawn.values() for file, _ in pairs for kind in KINDS}
    for name, kind in itertools.product({*STUDIES, *drawn}, KINDS):
        for left in set((out / "figures").glob(f"{file_name(name)}-*.{kind}")) - named:
            left.unlink()
    return drawn


def refuse_figures(by_study: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError if a study names a figure that is not in `DRAWINGS`, or twice; asked before it trains."""
    for study, names in by_study.items():
        for name in {name for name in names if names.count(name) > 1}:
            raise ValueError(f"study {shown(study)} names the figure {name!r} twice; leave one out")
        for name in names:
            if name not in DRAWINGS:
                raise ValueError(f"study {shown(study)} names the figure {name!r}; there are {', '.join(DRAWINGS)}")
