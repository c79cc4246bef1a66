"""One JSON a benchmark: what was measured, where, when, on which commit."""

import json
import os
import platform
import re
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from threadpoolctl import threadpool_info

from coupled_nmf import atomic_open

RESULTS = Path(__file__).parent / "results"
MEASURED = ("--", ".", ":!benchmarks/results", ":!docs")  # the records themselves change nothing
PACKAGES = (
    "numpy", "scipy", "scikit-learn", "torch", "torchnmf", "nmf-torch", "pyplanc", "imml", "cupy-cuda13x",
    "cupy-cuda12x", "dask", "distributed",
)  # fmt: skip


def write_record(name, what, figures, device=None):
    """Write ``results/<name>.json``, or ``results/<name>-<device>.json``, and return its path."""
    record = {
        "benchmark": name,
        "what": " ".join(what.split()),
        **stamp(),
        "machine": machine() | ({"device": device} if device else {}),
        "blas": sorted(
            {f"{pool['internal_api']} {pool['version']} {pool.get('architecture')}" for pool in blas_pools()}
        ),
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    parts = [name, *re.findall("[a-z0-9]+", device["name"].lower())] if device else [name]
    path = RESULTS / f"{'-'.join(parts)}.json"
    with atomic_open(path) as file:
        file.write(f"{json.dumps(record, indent=1)}\n".encode())
    return path


def stamp():
    """When it is, of which commit, by which versions."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": git("rev-parse", "--short", "HEAD") + ("-dirty" if git("status", "--porcelain", *MEASURED) else ""),
        "versions": {"python": platform.python_version()} | installed(),
    }


def machine():
    """What computes."""
    return {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()}


def kept(name):
    """Figures of the last record, for a benchmark that measures a part again; None without one of this machine."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return None
    record = json.loads(path.read_text())
    if record["machine"] != machine():
        print(f"{path.name} is of another machine: nothing of it is kept.")
        return None
    return record["figures"]


def git(*arguments):
    """What git says, or nothing where there is no git."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()


def installed():
    """Version of each package that is there."""
    found = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def blas_pools():
    """BLAS libraries that are loaded; their architecture says which kernels they run."""
    return [pool for pool in threadpool_info() if pool["user_api"] == "blas"]


def processor():
    """Name of the processor, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
