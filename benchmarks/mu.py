"""solver="mu" against scikit-learn's, same start, same iterates: time per iteration.

Ours is the median time between iterations 2 and 22, as a callback sees them; scikit-learn's, which has no callback,
is the time of 22 iterations less that of 2, over 20. Both sides alternate, five rounds.
"""

import warnings

import numpy as np
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from benchmarks.workload import geometric_mean, paper_array, paper_workload, spread, timed
from coupled_nmf import CoupledNMF

RANKS, ROUNDS = (10, 50), 5


def measure():
    X, array = paper_workload(), paper_array()
    warnings.simplefilter("ignore", ConvergenceWarning)
    figures = {}
    for rank in RANKS:
        rng = np.random.default_rng(0)
        F = rng.random((len(array), rank), dtype=np.float32)
        H = rng.random((rank, array.shape[1]), dtype=np.float32)

        def ours(rank=rank, F=F, H=H):
            marks = []
            hear = [lambda info: marks.append(info.seconds)]
            model = CoupledNMF(rank, solver="mu", init="custom", max_iter=22, tol=0, callbacks=hear)
            model.fit(X, F=F, H=H)
            return float(np.median(np.diff(marks[1:]))), model.components_

        def peer(n_iter, rank=rank, F=F, H=H):
            model = NMF(rank, solver="mu", init="custom", max_iter=n_iter, tol=0)
            return timed(lambda: model.fit_transform(array, W=F.copy(), H=H.copy()))[0], model.components_

        found, expected = ours()[1], peer(22)[1]
        difference = float(np.abs(found - expected).max() / expected.max())
        rounds = [(ours()[0], (peer(22)[0] - peer(2)[0]) / 20) for _ in range(ROUNDS)]
        ratios = [theirs / mine for mine, theirs in rounds]
        figures[rank] = {
            "ratio": spread(ratios) | {"geometric_mean": geometric_mean(ratios)},
            "milliseconds": spread([1000 * mine for mine, _ in rounds]),
            "peer_milliseconds": spread([1000 * theirs for _, theirs in rounds]),
            "largest_difference_of_components": difference,
        }
        print(rank, figures[rank], flush=True)
    return figures
