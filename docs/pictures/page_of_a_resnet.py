"""Take the picture of a page that the README and the site show: ``python docs/pictures/page_of_a_resnet.py``.

It runs the example ``plot_your_own_resnet.py``, makes the page of what that found, and has a Chromium on ``PATH`` draw
the top of it.
"""

from __future__ import annotations

import io
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageOps

from cnn_probe import save_page
from coupled_nmf import atomic_open

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "examples" / "networks" / "plot_your_own_resnet.py"
BROWSERS = ("chromium", "google-chrome", "chrome")
WIDTH, HEIGHT, SCALE = 1240, 860, 1.25
COLOURS = 128  # which is all that a page of grey pictures needs
EDGE = "#b0b0b0"  # or a white page has no end on a white one


def drawn(page: Path, folder: Path) -> Image.Image:
    """The top of a page, as a browser shows it."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"No browser was found: one of {', '.join(BROWSERS)} has to be on PATH.")
    picture = folder / "page.png"
    command = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=8000"]
    command += [f"--window-size={WIDTH},{HEIGHT}", f"--force-device-scale-factor={SCALE}", f"--screenshot={picture}"]
    subprocess.run([*command, page.as_uri()], check=True, stderr=subprocess.DEVNULL)
    return Image.open(io.BytesIO(picture.read_bytes()))


def main() -> None:
    """Run the example, make its page, and keep a picture of few colours."""
    mpl.use("agg")
    example = runpy.run_path(str(EXAMPLE))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_page(example["answers"], folder / "page.html", ablation=example["ablation"])
        picture = drawn(folder / "page.html", folder)
    picture = ImageOps.expand(picture.convert("RGB"), border=2, fill=EDGE)
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    with atomic_open(HERE / "page.png") as file:
        few.save(file, format="PNG", optimize=True)


if __name__ == "__main__":
    main()
