"""Whether an installed wheel is whole: imported and called, with kernels of every instruction set."""

import importlib.resources
import os
import subprocess
import sys

import numpy as np
import scipy.sparse

import coupled_nmf
from coupled_nmf.backends.cpu.kernels import compiled


def try_all():
    """Fit once with each instruction set that this processor has, each in a process of its own."""
    for name in compiled.all_instructions():
        environment = os.environ | {"COUPLED_NMF_INSTRUCTIONS": name}
        subprocess.run([sys.executable, "-I", __file__, name], env=environment, check=True)
    files = {path.name for path in importlib.resources.files("coupled_nmf.backends.kernels").iterdir()}
    assert "moves.hpp" in files, files  # a GPU's kernels read it
    assert importlib.resources.files("coupled_nmf").joinpath("py.typed").is_file()
    print(coupled_nmf.__version__, "works:", compiled.__file__)


def try_one(instructions):
    """Fit, and multiply."""
    assert compiled.instructions() == instructions
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        x, h, out = rng.random((97, 33), dtype), rng.random((5, 33), dtype), np.zeros((5, 97), dtype)
        compiled.add_dots(x, h, out)
        np.testing.assert_allclose(out, h @ x.T, rtol=1e-5)
    X = rng.random((60, 20))
    gappy = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    kl = {"solver": "mu", "beta_loss": "kullback-leibler"}
    for given, options in [(X, {}), (gappy, {}), (X, kl), (gappy, kl), (scipy.sparse.csr_array(X), kl)]:
        model = coupled_nmf.CoupledNMF(3, random_state=0, **options).fit(given)
        assert np.isfinite(model.components_).all()
    print(instructions, "fits")


if sys.argv[1:]:
    try_one(sys.argv[1])
else:
    try_all()
