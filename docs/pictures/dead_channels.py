"""Draw the figure of docs/howto/dead-units.md by running that page: ``python docs/pictures/dead_channels.py``."""

from __future__ import annotations

import doctest
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

from coupled_nmf import atomic_open

HERE = Path(__file__).parent
PAGE = HERE.parent / "howto" / "dead-units.md"


def main() -> None:
    """Run what the page shows, in a folder that goes, and keep the figure that it saves there."""
    mpl.use("agg")
    text = re.sub(r"^```.*$", "", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    names: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for example in doctest.DocTestParser().get_examples(text):
            exec(compile(example.source, PAGE.name, "exec"), names)
        with atomic_open(HERE / "dead-channels.png") as file:
            file.write(Path("units.png").read_bytes())
        os.chdir(HERE)


if __name__ == "__main__":
    main()
