"""Five ranks as one rank_path against five fits of scikit-learn's NMF with its defaults.

Two times of ours: to the losses where scikit-learn ends (rank_path with 1, 2, 4, ... iterations, until all five ranks
reach theirs), and with defaults. A rank that ends above scikit-learn's loss counts as a miss. Three seeds; both sides
alternate.
"""

from sklearn.decomposition import NMF

from benchmarks.workload import geometric_mean, paper_array, paper_workload, spread, timed, true_loss, warm_up
from coupled_nmf import CoupledNMF, rank_path

RANKS, SEEDS = (10, 20, 30, 40, 50), range(3)
BUDGETS = (1, 2, 4, 8, 16, 32, 64, 200)


def misses_of(path, targets):
    """How many ranks end above their target."""
    return sum(true_loss(fit.F, fit.model.components_) > targets[fit.rank] for fit in path.fits)


def measure():
    X, array = paper_workload(), paper_array()
    warm_up()
    runs = []
    for seed in SEEDS:
        run, targets = {"seed": seed, "peer_seconds": 0.0}, {}
        for rank in RANKS:
            peer = NMF(rank, random_state=seed)
            seconds, F = timed(lambda peer=peer: peer.fit_transform(array))
            run["peer_seconds"] += seconds
            targets[rank] = true_loss(F, peer.components_)
        for budget in BUDGETS:
            base = CoupledNMF(random_state=seed, max_iter=budget)
            run["seconds"], found = timed(lambda base=base: rank_path(X, RANKS, estimator=base))
            run["misses"] = misses_of(found, targets)
            if run["misses"] == 0:
                break
        base = CoupledNMF(random_state=seed)
        run["default_seconds"], found = timed(lambda base=base: rank_path(X, RANKS, estimator=base))
        run["default_misses"] = misses_of(found, targets)
        runs.append(run)
        print(run, flush=True)
    figures = {"runs": runs}
    for goal, seconds, misses in (("same", "seconds", "misses"), ("defaults", "default_seconds", "default_misses")):
        ratios = [run["peer_seconds"] / run[seconds] for run in runs]
        figures[goal] = {
            "geometric_mean_ratio": geometric_mean(ratios),
            "ratio": spread(ratios),
            "misses": sum(run[misses] for run in runs),
        }
    return figures
