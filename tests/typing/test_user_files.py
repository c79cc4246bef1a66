"""Who uses the packages under mypy --strict is told the types of all that is public."""

import ast
import os
import subprocess
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
USERS = {"coupled_nmf": "user_estimator", "cnn_probe": "user_probe"}
NOT_CALLED = {"BlockLayout", "HoldoutFit", "RankStability"}  # a user has these from others, and names none


@pytest.mark.skipif(not find_spec("mypy"), reason="mypy is not installed")
@pytest.mark.parametrize("package", USERS)
def test_a_user_passes_mypy_strict(package):
    """The user's own file is judged, as where the package is installed: its inside is read and not told of."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"]
    command += ["--cache-dir", str(ROOT / ".mypy_cache" / "strict"), str(FOLDER / f"{USERS[package]}.py")]
    done = subprocess.run(command, env=os.environ | {"MYPYPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", USERS)
def test_all_that_is_public_is_used_there(package):
    tree = ast.parse((FOLDER / f"{USERS[package]}.py").read_text(encoding="utf-8"))
    taken = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == package
        for alias in node.names
    }
    public = ast.parse(files(package).joinpath("__init__.py").read_text(encoding="utf-8"))
    names = next(
        ast.literal_eval(node.value)
        for node in public.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert set(names) - taken <= NOT_CALLED


@pytest.mark.parametrize("package", USERS)
def test_packages_say_that_they_have_types(package):
    assert files(package).joinpath("py.typed").is_file()


def test_the_user_of_the_estimator_runs(tmp_path):
    sys.path.insert(0, str(FOLDER))
    try:
        import user_estimator
    finally:
        sys.path.remove(str(FOLDER))
    user_estimator.fit_and_keep(tmp_path)
    user_estimator.choose_the_rank()
