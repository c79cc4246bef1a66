"""How a condition is drawn: one colour, one mark and one dash, in all figures of all studies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cnn_probe.report.plots.grid import OTHER, OURS, QUIET, THIRD
from cnn_probe.studies.record import NetworkRecord, Records


@dataclass(frozen=True)
class Style:
    """Of a line.

    Attributes
    ----------
    colour, marker, dash : str
        As Matplotlib has them.
    """

    colour: str
    marker: str
    dash: str


EVERYTHING = Style(OURS, "o", "-")  # of networks that were trained on everything, in any order
UNTRAINED = Style(QUIET, "x", ":")
# Okabe and Ito's colours; 60 conditions go by before one comes again with the same mark and dash.
_COLOURS = (OTHER, THIRD, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKS = ("s", "^", "D", "v", "P", "<", "*", ">", "p", "X")
_DASHES = ("-", "-", "-", "-", "-", "-", "-.", "-.", "-.", "-.", "-.", "-.")


@dataclass
class Styles:
    """Styles by how a network was trained and treated, whatever a study calls it; the seed does not count.

    A condition has the next style that is free when it is first asked for.
    """

    taken: dict[str, Style] = field(default_factory=dict)

    @classmethod
    def of(cls, studies: Iterable[Records]) -> Styles:
        """Give the conditions of all studies their styles, in their order."""
        styles = cls()
        for records in studies:
            for runs in records.values():
                styles[runs]
        return styles

    def __getitem__(self, runs: Sequence[NetworkRecord]) -> Style:
        """Return the style of the condition that these networks were trained under."""
        plan = {name: value for name, value in runs[0].training["plan"].items() if name != "seed"}
        how = json.dumps([plan, runs[0].treatment], sort_keys=True)
        if how not in self.taken:
            self.taken[how] = self._free(runs[0])
        return self.taken[how]

    def number(self, runs: Sequence[NetworkRecord]) -> int:
        """Number of the style, for what has styles of its own: 0 of networks that saw everything, 1 of untrained ones.

        Others follow in the order in which they were first asked for.
        """
        style = self[runs]
        kept = (EVERYTHING, UNTRAINED)
        others = [one for one in self.taken.values() if one not in kept]
        return kept.index(style) if style in kept else len(kept) + others.index(style)

    def _free(self, run: NetworkRecord) -> Style:
        """The next style; the first to be untrained, or to have seen everything, has one that is kept for it."""
        kept = UNTRAINED if run.untrained else EVERYTHING if run.saw_everything else None
        if kept is not None and kept not in self.taken.values():
            return kept
        number = len([style for style in self.taken.values() if style not in (UNTRAINED, EVERYTHING)])
        return Style(*(some[number % len(some)] for some in (_COLOURS, _MARKS, _DASHES)))
