"""The build backend: scikit-build-core's, with Zig's compiler where there is no other, and plain editable installs.

An editable install is the compiled module beside its sources, and a .pth file that names the checkout: what is on
PYTHONPATH still comes before it, and nothing stands in the way of an import.
"""

from __future__ import annotations

import os
import re
import tempfile
from typing import Any

from compiler import ZIG, found_compiler, use_zig
from scikit_build_core import build as skbuild
from scikit_build_core.build import build_sdist, get_requires_for_build_sdist

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = dict[str, Any] | None
EDITABLE = {"wheel.packages": [], "cmake.define.BESIDE_SOURCES": "ON"}


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What is needed besides ``build-system.requires``: Zig, if nothing else compiles."""
    needed = skbuild.get_requires_for_build_wheel(config_settings)
    return needed if found_compiler() else [*needed, ZIG]


get_requires_for_build_editable = get_requires_for_build_wheel


def prepare_metadata_for_build_wheel(directory: str, config_settings: Settings = None) -> str:
    """As scikit-build-core; that nothing compiles is said here, before anything else is looked for."""
    _ = found_compiler() or use_zig()
    return skbuild.prepare_metadata_for_build_wheel(directory, config_settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build by the compiler that was found, which CMake hears of by CXX.

    Each compiler has a folder in ``build``, which is kept: what has not changed is not compiled again.
    """
    settings = dict(config_settings or {})
    compiler = found_compiler()
    if compiler:
        os.environ["CXX"] = compiler
    else:
        compiler, more = use_zig()
        settings |= more
    kind = "editable" if "cmake.define.BESIDE_SOURCES" in settings else "wheel"
    settings.setdefault("build-dir", f"build/{kind}-{re.sub(r'[^a-z0-9.+-]+', '_', compiler)}-{{wheel_tag}}")
    return skbuild.build_wheel(directory, settings, metadata_directory)


def build_editable(directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build a wheel of nothing but the .pth file; CMake puts the module beside its sources."""
    return build_wheel(directory, {**(config_settings or {}), **EDITABLE}, metadata_directory)


if __name__ == "__main__":  # compile, and install nothing
    with tempfile.TemporaryDirectory() as folder:
        build_editable(folder)
