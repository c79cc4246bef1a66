"""Time to the loss where scikit-learn's NMF ends with its defaults, and to within 0.5% of it.

A run is a whole fit_transform, checks and final solve included. Ours is given 1, 2, 4, ... iterations until what it
returns reaches the loss; the time is that of the one run that does. scikit-learn's time is that of its whole run.
Losses are recomputed from X in float64. Ranks 10 to 50, five seeds; both sides alternate.
"""

from sklearn.decomposition import NMF

from benchmarks.workload import geometric_mean, paper_array, paper_workload, spread, timed, true_loss, warm_up
from coupled_nmf import CoupledNMF

RANKS, SEEDS = (10, 20, 30, 40, 50), range(5)
BUDGETS = (1, 2, 4, 8, 16, 32, 64, 200)


def measure():
    X, array = paper_workload(), paper_array()
    warm_up()
    runs = []
    for rank in RANKS:
        for seed in SEEDS:
            peer = NMF(rank, random_state=seed)
            seconds, F = timed(lambda peer=peer: peer.fit_transform(array))
            target = true_loss(F, peer.components_)
            run = {"rank": rank, "seed": seed, "peer_seconds": seconds, "peer_loss": target, "near": None, "same": None}
            for budget in BUDGETS:
                model = CoupledNMF(rank, random_state=seed, max_iter=budget)
                seconds, F = timed(lambda model=model: model.fit_transform(X))
                loss = true_loss(F, model.components_)
                if run["near"] is None and loss <= 1.005 * target:
                    run["near"] = seconds
                if loss <= target:
                    run["same"] = seconds
                    break
                if model.n_iter_ < budget:
                    break
            model = CoupledNMF(rank, random_state=seed)
            run["default_seconds"], F = timed(lambda model=model: model.fit_transform(X))
            run["default_loss"] = true_loss(F, model.components_)
            runs.append(run)
            print(run, flush=True)
    return summarize(runs) | {"runs": runs}


def summarize(runs):
    figures = {}
    for goal in ("near", "same"):
        ratios = [run["peer_seconds"] / run[goal] for run in runs if run[goal]]
        figures[goal] = {
            "geometric_mean_ratio": geometric_mean(ratios),
            "ratio": spread(ratios),
            "misses": len(runs) - len(ratios),
        }
    ratios = [run["peer_seconds"] / run["default_seconds"] for run in runs]
    figures["defaults"] = {
        "geometric_mean_ratio": geometric_mean(ratios),
        "ratio": spread(ratios),
        "ends_above_the_peer": sum(run["default_loss"] > run["peer_loss"] for run in runs),
    }
    return figures
