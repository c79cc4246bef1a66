"""Five ranks as one rank_path against five fits of scikit-learn's NMF with its defaults, whole runs.

A run of ours counts as a miss where it ends above scikit-learn's loss. Three seeds; both sides alternate.
"""

from sklearn.decomposition import NMF

from benchmarks.workload import geometric_mean, paper_array, paper_workload, spread, timed, true_loss, warm_up
from coupled_nmf import CoupledNMF, rank_path

RANKS, SEEDS = (10, 20, 30, 40, 50), range(3)


def measure():
    X, array = paper_workload(), paper_array()
    warm_up()
    runs = []
    for seed in SEEDS:
        base = CoupledNMF(random_state=seed)
        seconds, found = timed(lambda base=base: rank_path(X, RANKS, estimator=base))
        run = {"seed": seed, "seconds": seconds, "peer_seconds": 0.0, "misses": 0}
        for fit in found.fits:
            peer = NMF(fit.rank, random_state=seed)
            peer_seconds, F = timed(lambda peer=peer: peer.fit_transform(array))
            run["peer_seconds"] += peer_seconds
            run["misses"] += true_loss(fit.F, fit.model.components_) > true_loss(F, peer.components_)
        runs.append(run)
        print(run, flush=True)
    ratios = [run["peer_seconds"] / run["seconds"] for run in runs]
    misses = sum(run["misses"] for run in runs)
    return {"geometric_mean_ratio": geometric_mean(ratios), "ratio": spread(ratios), "misses": misses, "runs": runs}
