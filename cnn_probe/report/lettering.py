"""Names in figures: text, never mathematics, in letters that there are."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cnn_probe.system.names import shown, shown_all

_WIDTH = 20  # letters: what there is room for
#: Fonts with letters that are not what their code points say: frames for all there is, Matplotlib's signs.
_NO_FONTS = ("Last Resort", "cm", "STIXSize", "STIXNonUnicode")


def letter_all(names: Iterable[str], width: int = _WIDTH) -> tuple[list[str], dict[str, Any]]:
    """Return how several names are drawn, no two alike, and the properties of the Matplotlib texts that draw them."""
    return _in_fonts(shown_all(names, width))


def entitle(ax: Axes, *lines: str, size: float) -> None:
    """Give the axes a title that may hold names."""
    texts, style = _in_fonts([shown(line, width=80) for line in lines])
    ax.set_title("\n".join(texts), fontsize=size, **style)


def add_legend(figure: Figure, lines: Sequence[Line2D], labels: Iterable[str]) -> None:
    """Name lines in a legend beside the axes, over which it never lies."""
    # Matplotlib leaves labels out that begin with an underscore: they are set when the legend is there.
    numbers = [str(i) for i in range(len(lines))]
    legend = figure.legend(lines, numbers, frameon=False, fontsize=8, loc="outside right upper", handlelength=3)
    texts, style = letter_all(labels, width=32)
    for text, drawn in zip(legend.get_texts(), texts, strict=True):
        text.update({"text": drawn, **style})


def _in_fonts(texts: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Take a font more if one has what the usual one lacks; what none has is written as an escape."""
    families = list(mpl.rcParams["font.family"])
    missing = frozenset("".join(texts)) - _characters(font_manager.findfont(font_manager.FontProperties()))
    name, had = _another_font(missing) if missing else (None, missing)
    if name is not None:
        families.append(name)
    escapes = {ord(one): one.encode("unicode_escape").decode("ascii") for one in missing - had}
    style = {"parse_math": False, "usetex": False, "fontfamily": families}
    return [text.translate(escapes) for text in texts], style


@functools.lru_cache(maxsize=64)
def _characters(path: str) -> frozenset[str]:
    # Any name is drawn in some font: one without a space, say, would leave a space to be "missing".
    return frozenset(" ") | frozenset(map(chr, font_manager.get_font(path).get_charmap()))


@functools.lru_cache(maxsize=64)
def _another_font(missing: frozenset[str]) -> tuple[str | None, frozenset[str]]:
    """Return the installed font that has most of the missing characters, and which of them it has."""
    best: tuple[str | None, frozenset[str]] = (None, frozenset())
    for entry in font_manager.fontManager.ttflist:
        if entry.name.startswith(_NO_FONTS) or entry.weight not in (400, "normal", "regular"):
            continue
        had = missing & _characters(entry.fname)
        if len(had) > len(best[1]):
            best = (entry.name, had)
    return best
