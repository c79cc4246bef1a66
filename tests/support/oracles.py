"""What several test files measure against: the same start for this library and for scikit-learn."""

import numpy as np
from sklearn.decomposition import NMF

from coupled_nmf import CoupledNMF
from coupled_nmf.problem.solvers import SOLVERS

CASES = [(name, loss) for name in sorted(SOLVERS) for loss in SOLVERS[name].losses]
SKLEARN_SOLVER = {"hals": "cd", "mu": "mu"}


def draw(shape, seed=42):
    return np.abs(np.random.RandomState(seed).standard_normal(shape))


def model_of(k, solver="hals", loss="frobenius", **params):
    return CoupledNMF(k, solver=solver, beta_loss=loss, **{"random_state": 0, **params})


def start_of(X, k, seed=0):
    rng = np.random.RandomState(seed)
    level = np.sqrt(X.mean() / k)
    return np.abs(level * rng.standard_normal((len(X), k))), np.abs(level * rng.standard_normal((k, X.shape[1])))


def oracle_of(X, k, solver, loss, F, H, **params):
    """F and H of scikit-learn from the same start."""
    model = NMF(k, solver=SKLEARN_SOLVER[solver], beta_loss=loss, init="custom", shuffle=False, **params)
    return model.fit_transform(X, W=F.copy(), H=H.copy()), model.components_


def iterates(X, k, solver, loss, F, H, **params):
    """F inside the loop and H, from that start, one sweep each and not extrapolated."""
    seen = {}
    hear = [lambda info: seen.update(F=info.F.copy())]
    model = model_of(k, solver, loss, init="custom", inner_sweeps=1, extrapolate=False, callbacks=hear, **params)
    return model.fit(X, F=F, H=H), seen["F"]


class RowSource:
    """What HDF5 and Zarr arrays share: a shape, a dtype, and slices of rows."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        return self.array[rows]
