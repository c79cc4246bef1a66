"""Peak memory of a default fit beyond X, F and H, as a part of X: what NumPy allocates, by tracemalloc."""

import tracemalloc

from benchmarks.workload import paper_array, paper_workload, warm_up
from coupled_nmf import CoupledNMF

RANKS = (10, 50)


def measure():
    X, size = paper_workload(), paper_array().nbytes
    warm_up()
    figures = {}
    for rank in RANKS:
        model = CoupledNMF(rank, random_state=0, max_iter=5)
        tracemalloc.start()
        F = model.fit_transform(X)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        beyond = peak - F.nbytes - model.components_.nbytes
        figures[rank] = {"beyond_megabytes": beyond / 1e6, "part_of_X": beyond / size}
        print(rank, figures[rank], flush=True)
    return figures
