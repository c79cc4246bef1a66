"""Compiled code that cannot be kept is no error: it is compiled in each process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "coupled_nmf"
SUM = """
import numpy as np
from coupled_nmf.backends.cpu.sweep import _add_to
total = np.zeros(3)
_add_to(total, np.ones(3, dtype=np.float32))
assert total.tolist() == [1, 1, 1]
"""
SMALL = {
    "__init__": "",
    "system/__init__": "",
    "threads": "from coupled_nmf.system.compiled import njit\n@njit(cache=True)\ndef twice(x):\n    return 2 * x\n",
    "other": "# njit stands in this file, too\n",
    "problem/solvers": "fields = 2\n",
    "backends/cpu/edges": "WIDTH = 2\n",  # a number, and no word of compiling
}
EDGES = "from coupled_nmf.backends.cpu.edges import WIDTH\n"
TWICE = "from coupled_nmf.threads import twice\nassert twice(1.5) == 3\n"


def python(code: str, folder: Path, cache: Path | None) -> subprocess.CompletedProcess[str]:
    """Run code that sees a copy of the package, no home, and that cache; every warning is an error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))}
    environment |= {"HOME": "/dev/null/nobody", "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def spoil_folders(package: Path) -> None:
    """See to it that no compiled code can be kept beside the files, not even by root."""
    for folder in {path.parent for path in package.rglob("*.py")}:
        (folder / "__pycache__").write_bytes(b"a file, where a folder should be")


@pytest.fixture
def small(tmp_path):
    """A folder with a package of one compiled function, which is imported in no time."""
    package = tmp_path / "here" / "coupled_nmf"
    for folder in ("system", "problem", "backends/cpu"):
        (package / folder).mkdir(parents=True)
    for name, text in SMALL.items():
        (package / f"{name}.py").write_text(text)
    shutil.copy(PACKAGE / "system" / "compiled.py", package / "system")
    spoil_folders(package)
    return tmp_path / "here"


def test_the_package_works_where_nothing_can_be_written_and_says_so_once(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "coupled_nmf", ignore=shutil.ignore_patterns("__pycache__"))
    spoil_folders(tmp_path / "coupled_nmf")
    done = python(SUM, tmp_path, None)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("NUMBA_CACHE_DIR") == 1, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX's")
@pytest.mark.parametrize(
    "spoil",
    ["shutil.rmtree({0!r}); open({0!r}, 'w').close()", "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))"],
    ids=["a folder that is gone", "a full disk"],
)
def test_a_cache_that_fails_when_it_is_written_says_so_once(small, tmp_path, spoil):
    cache = tmp_path / "cache"
    imported, used = TWICE.splitlines()
    done = python("\n".join(["import resource, shutil", imported, spoil.format(str(cache)), used]), small, cache)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("NUMBA_CACHE_DIR") == 1, done.stderr


def test_a_damaged_cache_is_made_anew(small, tmp_path):
    cache = tmp_path / "cache"
    assert python(TWICE, small, cache).stderr == ""
    kept = sorted(path for path in cache.rglob("*") if path.suffix in (".nbi", ".nbc"))
    assert len(kept) == 2, "an index and a function"
    for path in kept:
        path.write_bytes(path.read_bytes()[:-50])
        done = python(TWICE, small, cache)
        assert done.returncode == 0, done.stderr
        assert "compiled code" in done.stderr
        assert python(TWICE, small, cache).stderr == "", path.suffix


@pytest.mark.parametrize("other", ["other.py", "problem/solvers.py", "backends/cpu/edges.py"])
def test_a_change_in_another_compiled_file_makes_the_cache_stale(small, tmp_path, other):
    """What a function takes from another file is compiled into it, the fields of a solver's rule as well."""
    code = f"{TWICE}print(sum(twice.stats.cache_hits.values()))"
    assert [python(code, small, tmp_path / "cache").stdout.strip() for _ in range(2)] == ["0", "1"]
    with open(small / "coupled_nmf" / other, "a") as file:
        file.write("a = 1\n")
    assert python(code, small, tmp_path / "cache").stdout.strip() == "0"


def test_a_constant_of_a_file_that_compiles_nothing_is_the_new_one(small, tmp_path):
    """A kernel that took its old value from the cache would go on with it in silence."""
    package, cache = small / "coupled_nmf", tmp_path / "cache"
    (package / "threads.py").write_text(SMALL["threads"].replace("njit\n", "njit\n" + EDGES).replace("2 *", "WIDTH *"))
    code = "from coupled_nmf.threads import twice\nprint(twice(1.5))"
    found = []
    for width in ("2", "2", "4"):
        (package / "backends" / "cpu" / "edges.py").write_text(f"WIDTH = {width}\n")
        found.append(python(code, small, cache).stdout.strip())
    assert found == ["3.0", "3.0", "6.0"]
