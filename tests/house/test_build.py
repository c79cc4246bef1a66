"""How the compiled module is made."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
OBJECTS = sorted(BUILD.glob("*-*/CMakeFiles/kernels_*.dir/**/kernels.cpp.o*"))


@pytest.mark.skipif(not OBJECTS, reason="nothing was compiled in build/ of this checkout")
@pytest.mark.skipif(not shutil.which("nm"), reason="there is no nm")
@pytest.mark.parametrize("built", OBJECTS, ids=lambda path: str(path.relative_to(BUILD).parents[-3]))
def test_instruction_sets_share_no_function(built):
    """Of functions with the same name the linker keeps one, which may have instructions that a processor lacks."""
    instructions = re.search(r"kernels_(\w+)\.dir", str(built)).group(1)
    symbols = subprocess.run(["nm", "-C", "--defined-only", built], capture_output=True, text=True, check=True).stdout
    shared = re.findall(r"^\w* [WVu] (?!DW\.ref\.)(.*)$", symbols, re.MULTILINE)
    assert [name for name in shared if f"coupled_nmf::{instructions}::" not in name] == []


def found_with(**environment):
    code = "import compiler; print(compiler.found_compiler()); compiler.found_compiler() or compiler.use_zig()"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "build_hook"), **environment}
    return subprocess.run([sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("named", [sys.executable, 'g++ "-O2'])
def test_a_compiler_that_does_not_do_is_refused_in_one_line(named):
    told = found_with(CXX=named).stderr
    assert told.startswith(f"CXX is '{named}', which does not compile")
    assert told.count("\n") == 1


@pytest.mark.parametrize("environment", [{"PATH": ""}, {"CXX": "zig"}])
def test_where_nothing_compiles_one_line_says_what_to_install(environment):
    """Zig is not found, either: site-packages are left out (-S)."""
    done = found_with(**environment)
    assert done.stdout == "None\n"
    assert done.stderr.startswith("No C++ compiler was found")
    assert done.stderr.count("\n") == 1
