"""The CUDA kernels, and how they are compiled: what the backend and the tests share. CuPy is not needed here."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from coupled_nmf.backends.cpu.kernels import LARGE, LOWEST, SMALLEST

KERNELS = Path(__file__).parent
SHARED = KERNELS.parents[1] / "kernels"  # what the CPU's kernels include, too
WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)  # ranks up to which a row of a factor lies in registers
WITH_WIDTH = ("move.cu", "solve.cu")  # what is compiled for each of them
CONTROL = {
    name: int(place)
    for name, place in re.findall(r"^  (\w+) = (\d+),", (KERNELS / "control.cuh").read_text(encoding="utf-8"), re.M)
}


# CuPy's cache on disk does not see what a file includes: with this among the options it does.
DIGEST = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted((*KERNELS.glob("*.cu*"), *SHARED.glob("*.hpp"))))
).hexdigest()[:15]


def width_for(k: int) -> int:
    """The least of ``WIDTHS`` that holds a rank, 0 where none does."""
    return next((width for width in WIDTHS if k <= width), 0)


def options(dtype: DTypeLike, width: int | None = None) -> tuple[str, ...]:
    """What a file is compiled with, for a dtype and, where it is one of ``WITH_WIDTH``, a width."""
    kind = np.dtype(dtype).char
    single, smallest, lowest = kind == "f", SMALLEST[kind], LOWEST[kind]
    mark = "f" if single else ""
    found = {"REAL": "float" if single else "double", "SMALLEST": f"{smallest!r}{mark}", "LOWEST": f"{lowest!r}{mark}",
             "SMALLEST_DOUBLE": repr(SMALLEST["d"]), "LARGE": repr(LARGE), "DIGEST": f"0x{DIGEST}"}  # fmt: skip
    if width is not None:
        found["WIDTH"] = str(width)
    return ("-std=c++17", f"-I{KERNELS}", f"-I{SHARED}", *(f"-D{name}={value}" for name, value in found.items()))
