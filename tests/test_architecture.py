"""Imports run one way, and optional dependencies are not imported unasked."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What each module of coupled_nmf may import from it: a later line may import from earlier ones.
LAYERS = [
    ["files", "interrupts", "sparse_arrays", "compiled"],
    ["arrays", "backends.blas", "microkernels", "objective", "notices", "judging"],
    ["partial", "containers", "labels"],
    ["blocks", "products", "sparse_rows", "initialization", "archive"],
    ["datasets", "frames", "known", "learning", "solvers.panels", "tiled", "penalties"],
    ["solvers.hals", "solvers.mu", "tiles", "scans", "backends.threads"],
    ["solvers", "columns", "gaps"],
    ["steps", "divergences"],
    ["prepared", "alternation", "checks", "divergence_rows"],
    ["solve", "lowrank", "coupling"],
    ["frobenius"],
    ["kullback_leibler", "streaming"],
    ["losses"],
    ["saved"],
    ["persistence"],
    ["backends.numpy", "backends.kernels", "backends.cuda"],
    ["backends.cuda.device"],
    ["backends.cuda.moves", "backends.cuda.tiles", "backends.cuda.judge"],
    ["backends.cuda.gaps", "backends.cuda.stand_in", "backends.cuda.scan"],
    ["backends.cuda.solve"],
    ["backends.cuda.frobenius", "backends.cuda.kullback_leibler"],
    ["backends.cupy"],
    ["backends", "plan"],
    ["starts"],
    ["fitting", "callbacks", "shares"],
    ["model"],
    ["estimator"],
    ["model_selection.table", "model_selection.in_memory", "model_selection.checkpoint"],
    ["model_selection.rank_path", "model_selection.bicross"],
    ["model_selection.holdout", "model_selection.stability"],
    ["model_selection", "plotting.axes"],
    ["plotting.rank_curve", "plotting.stability", "plotting.convergence", "plotting.components"],
    ["plotting"],
    ["__init__"],
]


def imports_of(path: Path) -> set[str]:
    """Names of the modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


def modules_of(package: str) -> dict[str, Path]:
    names = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT / package).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return names


def test_every_module_has_its_layer():
    assert sorted(modules_of("coupled_nmf")) == sorted(name for layer in LAYERS for name in layer)


@pytest.mark.parametrize("depth", range(len(LAYERS)))
def test_coupled_nmf_imports_one_way(depth):
    allowed = {f"coupled_nmf.{name}" for layer in LAYERS[:depth] for name in layer}
    modules = modules_of("coupled_nmf")
    for name in LAYERS[depth]:
        own = {imported for imported in imports_of(modules[name]) if imported.split(".")[0] == "coupled_nmf"}
        assert own <= allowed, f"{name} imports {sorted(own - allowed)} against the layers"


def test_coupled_nmf_never_names_torch_or_the_probe():
    for name, path in modules_of("coupled_nmf").items():
        roots = {imported.split(".")[0] for imported in imports_of(path)}
        assert not roots & {"torch", "torchvision", "cnn_probe"}, name


def test_cnn_probe_uses_public_names_alone():
    for name, path in modules_of("cnn_probe").items():
        inner = {imported for imported in imports_of(path) if imported.startswith("coupled_nmf.")}
        assert not inner, f"{name} imports {sorted(inner)}"


def test_importing_the_estimator_imports_nothing_optional():
    code = (
        "import sys, sklearn.base, sklearn.utils.validation, numba, scipy.linalg; before = set(sys.modules); "
        "import coupled_nmf; "
        "print(*{'torch', 'cupy', 'dask', 'matplotlib', 'pandas', 'cnn_probe'} & (set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
