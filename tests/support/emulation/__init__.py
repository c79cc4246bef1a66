"""The CUDA kernels without a GPU: the very same text, compiled by g++ for this processor; see ``cuda_host.h``.

A module and its kernels are called as CuPy's `RawModule` and its functions are.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

COMPILER = shutil.which("g++")
HEADER = Path(__file__).parent / "cuda_host.h"
# Fused multiply-adds as on a device; nothing is reordered. An unused function is a kernel's that a header brings along.
FLAGS = ("-O2", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared", "-fvisibility=hidden", "-U_FORTIFY_SOURCE")
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-function", "-Wno-unused-parameter")
OUTCOMES = {
    1: "takes another number of arguments",
    2: "takes an argument of another size",
    3: "has a barrier that not all threads of a block reach",
}


class EmulationError(RuntimeError):
    """A launch that a device would not take, or that has no meaning on one."""


class Kernel:
    """One kernel, called with a grid, a block and its arguments."""

    def __init__(self, name: str, launcher: Any) -> None:
        self.name, self._launcher = name, launcher

    def __call__(self, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], shared_mem: int = 0) -> None:
        if shared_mem:
            raise EmulationError(f"{self.name}: dynamic shared memory is not emulated.")
        held = [_bytes_of(argument) for argument in args]
        n, sizes = len(held), list(map(len, held))
        values = (ctypes.c_char_p * n)(*held)
        outcome = self._launcher(_three(grid), _three(block), values, (ctypes.c_size_t * n)(*sizes), ctypes.c_size_t(n))
        if outcome:
            place = f" (argument {outcome // 16}, which has {sizes[outcome // 16]})" if outcome % 16 == 2 else ""
            raise EmulationError(f"{self.name} {OUTCOMES[outcome % 16]}{place}.")


class Module:
    """What a file was compiled to."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))

    def get_function(self, name: str) -> Kernel:
        """The kernel of that name."""
        return Kernel(name, getattr(self._library, f"launch_{name}"))


def compile_module(path: Path, options: Sequence[str]) -> Module:
    """Compile a file of kernels, or find it compiled."""
    path = Path(path)
    folders = [path.parent, *(Path(option[2:]) for option in options if option.startswith("-I"))]
    headers = [
        HEADER,
        *sorted({header for folder in folders for end in (".cuh", ".hpp") for header in folder.glob(f"*{end}")}),
    ]
    text = path.read_text(encoding="utf-8")
    key = hashlib.sha256()
    for part in (text, *(header.read_text(encoding="utf-8") for header in headers), *options, *FLAGS, *WARNINGS):
        key.update(part.encode() + b"\0")
    cache = Path(tempfile.gettempdir()) / f"emulated-kernels-{os.getuid()}"
    cache.mkdir(exist_ok=True)
    library = cache / f"{path.stem}-{key.hexdigest()[:24]}.so"
    if not library.exists():
        _build(path, options, library)
    return Module(library)


def _build(path: Path, options: Sequence[str], library: Path) -> None:
    """Compile under another name and rename: a second process may do the same at the same time."""
    # Without a name the namespace keeps all in it to this file, shared variables of templates too.
    text = f'#include "{HEADER}"\nnamespace {{\n#include "{path}"\n}}\n'
    names = re.findall(r"__attribute__\(\(used\)\)\s+void\s+(\w+)\(", _run_compiler(["-E", *options], text))
    text += "\n".join(f"LAUNCHER({name})" for name in names)
    with tempfile.TemporaryDirectory(dir=library.parent) as room:
        built = Path(room) / library.name
        _run_compiler([*FLAGS, *WARNINGS, *options, "-o", str(built)], text)
        os.replace(built, library)


def _run_compiler(arguments: Sequence[str], text: str) -> str:
    if COMPILER is None:
        raise EmulationError("g++ is not installed.")
    done = subprocess.run([COMPILER, *arguments, "-x", "c++", "-"], input=text, capture_output=True, text=True)
    if done.returncode:
        raise EmulationError(f"g++ finds:\n{done.stderr}")
    return done.stdout


def _bytes_of(argument: Any) -> bytes:
    """A number as it lies in memory, and of an array its address."""
    if isinstance(argument, np.generic):  # most are, and `data` of these takes long
        return argument.tobytes()
    place = getattr(argument, "data", None)
    return (np.uintp(place.ptr) if hasattr(place, "ptr") else np.array(argument)).tobytes()


def _three(sizes: Sequence[int]) -> Any:
    return (ctypes.c_uint * 3)(*(*sizes, 1, 1)[:3])
