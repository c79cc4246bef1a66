"""What iterations, and F for a given H, cost where entries are missing and under Kullback–Leibler.

The first 5,000 samples of the paper's workload, whole, and with a tenth ("with gaps") or half of the entries missing,
drawn at random. An iteration is the median between two calls of a callback, of a fit of twelve (random start, tol 0);
F for a given H is a transform of the same samples by what that fit found, divided by its own iteration. Three rounds,
all in turns.
"""

import numpy as np

from benchmarks.workload import iteration_seconds, paper_array, spread, timed
from coupled_nmf import CoupledNMF

RANKS, ROUNDS, N_SAMPLES = (10, 30, 50, 100), 3, 5000
LOSSES = {"Frobenius": {}, "Kullback–Leibler": {"solver": "mu", "beta_loss": "kullback-leibler"}}


def costs_of(X, rank, settings):
    """Seconds of an iteration, and of F for the H that it led to."""
    model = CoupledNMF(rank, init="random", random_state=0, max_iter=12, tol=0, **settings)
    return iteration_seconds(model, X), timed(lambda: model.transform(X))[0]


def measure():
    whole = paper_array()[:N_SAMPLES]
    drawn = np.random.default_rng(0).random(whole.shape)
    gappy, halved = (np.where(drawn < missing, np.float32(np.nan), whole) for missing in (0.1, 0.5))
    cases = {
        f"{loss}{name}": (X, settings)
        for loss, settings in LOSSES.items()
        for name, X in (("", whole), (", with gaps", gappy), (", half missing", halved))
        if X is not halved or loss == "Frobenius"
    }
    figures = {"ranks": {}}
    for rank in RANKS:
        rounds = [{name: costs_of(X, rank, settings) for name, (X, settings) in cases.items()} for _ in range(ROUNDS)]
        figures["ranks"][str(rank)] = {
            name: {
                "milliseconds": spread([1000 * one[name][0] for one in rounds]),
                "over_frobenius": spread([one[name][0] / one["Frobenius"][0] for one in rounds]),
                "solve_in_iterations": spread([one[name][1] / one[name][0] for one in rounds]),
            }
            for name in cases
        }
        print(rank, figures["ranks"][str(rank)], flush=True)
    return figures
