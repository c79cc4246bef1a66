"""How a result shows itself in a notebook: a few kilobytes of HTML, with its patterns as pictures where it has any."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnn_probe.system.names import shown

MOST = 10  # patterns that are shown: the strongest
SIDE = 48  # pixels of a picture, at most


def html_of(result: Any, heads: Sequence[str] = (), rows: Sequence[Sequence[str]] = ()) -> str:
    """Return a `ProbeResult` as a table, a row a pattern; further columns have ``heads``, their texts ``rows``."""
    k = min(result.F.shape[1], MOST)
    pictures = _pictures(result, k)
    columns = ["pattern", *(["its pixels"] if pictures else []), *heads]
    lines = []
    for i in range(k):
        cells = [str(i), *([pictures[i]] if pictures else []), *map(escape, rows[i] if rows else ())]
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    errors = ", ".join(
        f"{escape(shown(name))} {error:.1%}" for name, error in result.model.block_relative_error_.items()
    )
    few = "" if k == result.F.shape[1] else f"<p>The {k} strongest of {result.F.shape[1]} patterns, counted from 0.</p>"
    return (
        f"<div><p>{escape(repr(result))}</p><p>Left of each block, in parts of its squares: {errors}.</p>"
        f"<table><thead><tr>{''.join(f'<th>{escape(head)}</th>' for head in columns)}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>{few}</div>"
    )


def _pictures(result: Any, k: int) -> list[str]:
    """Latent images as images of their own; none where no pictures were factored."""
    if not result.picture_blocks:
        return []
    return [_image(latent, i) for i, latent in enumerate(result.latent_images[:k])]


def _image(latent: NDArray[Any], number: int) -> str:
    values = np.moveaxis(latent, 0, -1) if len(latent) == 3 else latent.mean(axis=0)
    image = Image.fromarray(np.rint(255 * values / max(float(values.max()), 1e-30)).astype(np.uint8))
    image.thumbnail((SIDE, SIDE))
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    source = base64.b64encode(content.getvalue()).decode()
    return f'<img src="data:image/png;base64,{source}" height="{SIDE}" alt="Latent image of pattern {number}">'
