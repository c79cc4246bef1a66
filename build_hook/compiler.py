"""Which compiler there is.

CXX says which one; ``CXX=zig`` takes Zig's though there are others, and ZIG_TARGET, such as
``x86_64-linux-gnu.2.17``, what it compiles for.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ZIG = "ziglang>=0.13"
NEEDED = "GCC 12 or newer, or Clang"
ON_WINDOWS = sys.platform == "win32"
MACHINE = platform.machine().replace("arm64", "aarch64")
USUAL = ("clang-cl",) if ON_WINDOWS else ("c++", "g++", "clang++")
SHARED = ("/std:c++20", "/LD") if ON_WINDOWS else ("-std=c++20", "-shared", "-fPIC", "-o", "tried.so")
TRIED = """
#if defined(__INTEL_LLVM_COMPILER) || (!defined(__clang__) && (!defined(__GNUC__) || __GNUC__ < 12))
#error
#endif
#include <vector>
typedef float Four __attribute__((vector_size(16)));
Four some(Four a, Four b) { return __builtin_shufflevector(a < b ? a : b, b, 0, 1, 2, 3); }
int size() { return int(std::vector<int>(3).size()); }
"""


def found_compiler() -> str | None:
    """The command of one that makes a shared library of C++20; none, and Zig has to do."""
    named = os.environ.get("CXX", "")
    if named == "zig":
        return None
    if named:
        if not compiles(named):
            raise SystemExit(f"CXX is '{named}', which does not compile coupled-nmf. Set it to {NEEDED}, or to zig.")
        return named
    return next((name for name in USUAL if shutil.which(name) and compiles(name)), None)


def compiles(command: str) -> bool:
    """Try it: a compiler may be too old, or lack its library or its linker."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "tried.cpp")
        source.write_text(TRIED, encoding="utf-8")
        try:
            words = [command] if Path(command).is_file() else shlex.split(command, posix=not ON_WINDOWS)
            done = subprocess.run([*words, *SHARED, str(source)], cwd=folder, capture_output=True)
        except (OSError, ValueError):  # no such command; or a quotation mark that is not closed
            return False
        return done.returncode == 0


def use_zig() -> tuple[str, dict[str, str]]:
    """Have CMake compile by Zig; a name for it, and what CMake has to hear.

    By scripts that keep their place, since Zig itself has another in each build.
    """
    zig = importlib.util.find_spec("ziglang")
    if zig is None or zig.origin is None or ON_WINDOWS:
        instead = " (clang-cl)" if ON_WINDOWS else ", or with pip ziglang"
        raise SystemExit(f"No C++ compiler was found that compiles coupled-nmf. Install {NEEDED}{instead}.")
    target = os.environ.get("ZIG_TARGET") or "native"
    if target.split("-")[0] not in ("native", MACHINE):
        raise SystemExit(
            f"ZIG_TARGET is '{target}', but Python here is for {MACHINE}: the wheel would be named for that."
        )
    folder = Path("build", f"zig-{target}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # baseline: or Zig would take every instruction of this machine for granted
    calls = {"c++": f"c++ -target {target} -mcpu=baseline", "ar": "ar", "ranlib": "ranlib"}
    for name, call in calls.items():
        text = f'#!/bin/sh\nexec {shlex.quote(str(Path(zig.origin).with_name("zig")))} {call} "$@"\n'
        folder.joinpath(name).write_text(text, encoding="utf-8")
        folder.joinpath(name).chmod(0o755)
    os.environ["CXX"] = str(folder / "c++")
    return f"zig-{target}", {f"cmake.define.CMAKE_{name.upper()}": str(folder / name) for name in ("ar", "ranlib")}
