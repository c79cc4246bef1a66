"""Try what will be released where there is no checkout: each wheel's extras and the sdist, in empty environments.

``python .ci/release.py dist`` tries all; ``python .ci/release.py dist dask sdist`` these alone. "probe" takes 6 GB.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

CI = Path(__file__).resolve().parent
EXTRAS = ("alone", "dask", "gpu", "probe")


def installed(folder, *what):
    """An empty environment in which ``what`` is installed; its Python."""
    venv.create(folder / "environment", with_pip=True)
    python = folder / "environment" / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *what], check=True, cwd=folder)
    return python


def try_extra(wheel, extra, folder):
    """Install the wheel with an extra, and use it."""
    python = installed(folder, str(wheel) if extra == "alone" else f"{wheel}[{extra}]")
    empty = folder / "empty"
    empty.mkdir()
    subprocess.run([python, "-I", CI / "tried.py"], check=True, cwd=empty)
    subprocess.run([python, "-I", CI / "tried_extra.py", extra], check=True, cwd=empty)


def try_sdist(sdist, folder):
    """Compile and install it, and collect its tests."""
    python = installed(folder, str(sdist), "pytest", "pytest-xdist", "hypothesis", "pandas", "polars")
    subprocess.run([python, "-I", CI / "tried.py"], check=True, cwd=folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    tests = next(folder.glob("coupled_nmf-*")) / "tests"
    command = [python, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    command += [str(tests / name) for name in ("core", "cpu", "data", "model", "model_selection", "system")]
    # From another folder: what is tested is what was installed, and not the sources beside the tests.
    done = subprocess.run(command, cwd=tests, stdout=subprocess.PIPE, text=True)
    print(*done.stdout.splitlines()[-20 if done.returncode else -1 :], sep="\n", flush=True)
    done.check_returncode()


def main():
    """Find what there is in the folder, and try it."""
    dist, asked = Path(sys.argv[1]).resolve(), sys.argv[2:] or [*EXTRAS, "sdist"]
    (sdist,) = dist.glob("*.tar.gz")
    (wheel,) = dist.glob("*.whl")
    for what in asked:
        print("trying", what, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            if what == "sdist":
                try_sdist(sdist, Path(folder))
            else:
                try_extra(wheel, what, Path(folder))


if __name__ == "__main__":
    main()
