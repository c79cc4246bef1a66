"""What an installed wheel does with an extra: ``tried_extra.py EXTRA``, in an empty folder."""

import html
import re
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import readme

COMMAND = str(Path(sysconfig.get_path("scripts"), "cnn-probe"))
OUTSIDE = re.compile(
    r"""<(?:script|img|link|iframe)[^>]*(?:src|href)\s*=\s*["']?(?:https?:)?//|@import|url\(\s*["']?https?:"""
)


def run_estimator():
    """What the README shows of the estimator."""
    (code,) = readme.snippets("The estimator")
    names = {}
    readme.run(code, names)
    assert names["F"].shape == (1797, 10)


def alone():
    """Nothing optional is there, and what lacks it says so."""
    assert not [name for name in ("torch", "dask", "cupy", "matplotlib") if find_spec(name)]
    run_estimator()
    said = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("cnn-probe "), said
    try:
        __import__("cnn_probe").probe  # noqa: B018
    except ImportError as error:
        print("without PyTorch:", error)
    else:
        raise AssertionError("cnn_probe.probe came without PyTorch")


def dask():
    """A Dask array is fitted by workers of this machine."""
    import dask.array
    import distributed
    import numpy as np

    from coupled_nmf import CoupledNMF

    X = dask.array.from_array(np.random.default_rng(0).random((400, 30)), chunks=(100, 30))
    with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
        F = CoupledNMF(3, random_state=0, max_iter=500).fit_transform(X).compute()
    assert F.shape == (400, 3)


def gpu():
    """With a device it fits there; without one it says that there is none."""
    import numpy as np

    from coupled_nmf import CoupledNMF

    model = CoupledNMF(3, backend="cupy", random_state=0, max_iter=500)
    try:
        F = model.fit_transform(np.random.default_rng(0).random((400, 30)))
    except RuntimeError as error:
        if "needs an NVIDIA GPU" not in str(error):
            raise
        print("without a device:", error)
    else:
        assert F.shape == (400, 3)


def probe():
    """What the README shows of both packages, and a run from the shell."""
    run_estimator()
    (code,) = readme.snippets("The probe")
    readme.run(code, {})
    subprocess.run([COMMAND, "run", "--data", "digits", "--out", "X"], check=True, stdout=subprocess.DEVNULL)
    for page in (Path("X/index.html"), Path("digits.html")):
        text = html.unescape(page.read_text(encoding="utf-8"))
        assert "default-src 'none'" in text
        assert not OUTSIDE.search(text), OUTSIDE.search(text)
        print(page, "holds all that it shows:", len(text), "characters")


if __name__ == "__main__":
    SimpleNamespace(alone=alone, dask=dask, gpu=gpu, probe=probe).__dict__[sys.argv[1]]()
