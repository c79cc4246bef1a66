"""Imports run one way, and optional dependencies are not imported unasked."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import coupled_nmf

ROOT = Path(__file__).parents[2]

# Folders of each package, from the ground up: a file may import from its own folder and from those before it.
FLOORS = {
    "coupled_nmf": ["system", "data", "problem", "backends.cpu", "backends.cuda", "backends.dask", "backends", "fit",
                    "model", "model_selection", "plotting", ""],
    "cnn_probe": ["system", "data", "networks", "activations", "probing", "measures", "studies", "report", "runs", ""],
}  # fmt: skip
IMPORTERS = ("import_module", "__import__")
BACKENDS = ("coupled_nmf.backends.cpu", "coupled_nmf.backends.cuda", "coupled_nmf.backends.dask")
MOST_BESIDE_EACH_OTHER = 12


def imports_of(path: Path) -> set[str]:
    """Names of what a file imports, wherever in it and however it says so.

    Modules; what is taken out of them, which may be modules; and strings that are the names of our own.
    """
    found, called = set(), {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            called |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by a relative name, of which no arrow can be seen"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in IMPORTERS:
            found |= {one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)}
        elif isinstance(node, ast.Constant) and node.value in OWN:
            found.add(node.value)
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return found | {f"{called[on]}.{node.attr}" for node in attributes if (on := ast.unparse(node.value)) in called}


def modules_of(package: str) -> dict[str, Path]:
    names = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT / package).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return names


OWN = {f"{package}.{name}" for package in FLOORS for name in modules_of(package)}


def floor_of(package: str, module: str) -> int:
    """The number of the folder that a module lies in; the longest name that fits."""
    floors = FLOORS[package]
    inside = module.removeprefix(package).removeprefix(".")
    fitting = [name for name in floors if not name or inside == name or inside.startswith(f"{name}.")]
    return floors.index(max(fitting, key=len))


@pytest.mark.parametrize(
    "code",
    [
        "import coupled_nmf.fit.loop",
        "import coupled_nmf.fit as fit; fit.loop.run()",
        "from coupled_nmf.fit.loop import Alternation",
        "def late():\n    from coupled_nmf.fit import loop",
        "import importlib; importlib.import_module('coupled_nmf.fit.loop')",
        "from importlib import import_module; HOME = {'a': 'coupled_nmf.fit.loop'}; import_module(HOME['a'])",
        "__import__('coupled_nmf.fit.loop')",
    ],
)
def test_an_import_is_seen_however_it_is_written(code, tmp_path):
    (tmp_path / "file.py").write_text(code)
    assert "coupled_nmf.fit.loop" in imports_of(tmp_path / "file.py")
    (tmp_path / "file.py").write_text("from ..fit import loop")
    with pytest.raises(AssertionError, match="relative"):
        imports_of(tmp_path / "file.py")


@pytest.mark.parametrize("package", FLOORS)
def test_imports_run_one_way_between_folders(package):
    for name, path in modules_of(package).items():
        here = floor_of(package, f"{package}.{name}")
        for imported in sorted(imports_of(path)):
            if imported.split(".")[0] == package:
                there = floor_of(package, imported)
                assert there <= here, f"{package}.{name} imports {imported} from a folder above its own"


@pytest.mark.parametrize("package", FLOORS)
def test_no_circle_of_imports(package):
    """Within a folder as well."""
    needs = {
        f"{package}.{name}": {i for i in imports_of(path) if i in OWN and i.startswith(package)}
        for name, path in modules_of(package).items()
        if name != "__init__"
    }
    left = dict(needs)
    while free := [name for name, imported in left.items() if not imported & set(left) - {name}]:
        for name in free:
            del left[name]
    assert left == {}, "these import each other"


@pytest.mark.parametrize("package", FLOORS)
def test_no_folder_is_full(package):
    for folder in {path.parent for path in modules_of(package).values()}:
        inside = [p for p in folder.iterdir() if p.name not in ("__init__.py", "__pycache__")]
        assert len([p for p in inside if p.suffix == ".py" or p.is_dir()]) <= MOST_BESIDE_EACH_OTHER, folder


def test_nothing_reaches_past_what_the_backends_promise():
    """Above them there is the choice of one; how they work, and their kernels, is known to themselves."""
    for name, path in modules_of("coupled_nmf").items():
        if not name.startswith("backends."):
            inside = {imported for imported in imports_of(path) if imported.startswith(BACKENDS)}
            assert not inside, f"{name} imports {sorted(inside)}"


def test_coupled_nmf_never_names_torch_or_the_probe():
    for name, path in modules_of("coupled_nmf").items():
        roots = {imported.split(".")[0] for imported in imports_of(path)}
        assert not roots & {"torch", "torchvision", "cnn_probe"}, name


def test_cnn_probe_uses_public_names_alone():
    for name, path in modules_of("cnn_probe").items():
        taken = {imported for imported in imports_of(path) if imported.startswith("coupled_nmf.")}
        inner = taken - {f"coupled_nmf.{public}" for public in (*coupled_nmf.__all__, "__version__")}
        assert not inner, f"{name} imports {sorted(inner)}"


def test_importing_the_estimator_imports_nothing_optional():
    code = (
        "import sys, sklearn.base, sklearn.utils.validation, scipy.linalg; before = set(sys.modules); "
        "import coupled_nmf; "
        "optional = {'torch', 'cupy', 'dask', 'distributed', 'matplotlib', 'pandas', 'cnn_probe'}; "
        "print(*optional & (set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""


SELDOM = ("backends.cuda", "model_selection", "plotting", "model.persistence")


@pytest.mark.parametrize(
    ("code", "late"),
    [("import coupled_nmf", ("",)), ("from coupled_nmf import CoupledNMF", SELDOM)],
)
def test_an_import_loads_what_it_needs(code, late):
    """What is public is loaded when it is asked for, the backend of a GPU when it is opened."""
    command = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    for folder in late:
        assert not [name for name in loaded if name.startswith(f"coupled_nmf.{folder}")], folder


def test_all_that_is_public_is_there():
    assert {"__version__", *coupled_nmf.__all__} <= set(dir(coupled_nmf))
    for name in coupled_nmf.__all__:
        assert getattr(coupled_nmf, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = coupled_nmf.nothing_of_the_kind
