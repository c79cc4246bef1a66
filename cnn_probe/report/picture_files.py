"""Figures as files: what lies beside a page."""

from __future__ import annotations

import io

import matplotlib as mpl
from matplotlib.figure import Figure

KINDS = ("png", "svg")  # the first is what a page names


def file_of(figure: Figure, kind: str) -> bytes:
    """A figure as a file of one of `KINDS`; the same figure gives the same bytes."""
    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "cnn-probe"}):  # and no date
        figure.savefig(content, dpi=110, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()
