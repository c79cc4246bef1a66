"""Planted factors, a missing block and the rank, found again: this project, scikit-learn and iMML.

Three blocks (60 + 30 + 10 columns, 300 samples) share five planted components, half of whose entries are zero; noise is
a part of each block's root mean square, and what falls below zero is cut off. Each figure is the mean over ten seeds
with its range. "cosine" is that of the planted components and those found, matched one to one; in "scaled" the first
block is multiplied by 100, and balanced weights answer that. "missing" is the relative error (squares over squares) of
the second block for the third of the samples that lack it, beside that of its column means. scikit-learn, which takes
no missing entries, is fitted on the complete samples, and the others' factors are found by non-negative least squares;
iMML's own part of each block is held at zero, which makes its model ours. "rank" is how often the planted rank has the
best score among 2 to 8. Peers run with their defaults, but for 1,000 iterations at most.
"""

import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment, nnls
from sklearn.decomposition import NMF
from sklearn.model_selection import GridSearchCV

from benchmarks.workload import timed
from coupled_nmf import BiCrossValidation, Blocks, CoupledNMF, holdout_entries, make_coupled_blocks

SIZES, K, N, SEEDS, NOISES, RANKS = {"a": 60, "b": 30, "c": 10}, 5, 300, range(10), (0.1, 0.3), range(2, 9)


def planted(noise, seed):
    X, _, H = make_coupled_blocks(N, SIZES, K, noise=noise, random_state=seed)
    return X, np.hstack([H[name] for name in X.names])


def cosine(found, H):
    found, H = (array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-300) for array in (found, H))
    cosines = found @ H.T
    return float(cosines[linear_sum_assignment(cosines, maximize=True)].mean())


def ours(X, seed, **params):
    model = CoupledNMF(K, max_iter=1000, random_state=seed, **params)
    return model.fit_transform(X), model.components_


def scikit_learn(array, seed):
    model = NMF(K, max_iter=1000, random_state=seed)
    return model.fit_transform(array), model.components_


def imml(parts, seed):
    from imml.decomposition import JNMF

    model = JNMF(K, init_V=[np.zeros((N, K)) for _ in parts], max_iter=1000, random_state=seed)
    F = np.asarray(model.fit_transform(parts))
    return F, np.hstack([np.asarray(H).T for H in model.H_])


def complete(noise, seed):
    """Cosines and seconds on complete data."""
    X, H = planted(noise, seed)
    tools = {"coupled_nmf": lambda: ours(X, seed), "scikit-learn": lambda: scikit_learn(X.to_array(), seed)}
    tools["iMML JNMF"] = lambda: imml([X[name] for name in X.names], seed)
    timings = {name: timed(run) for name, run in tools.items()}
    return {name: (cosine(found[1], H), seconds) for name, (seconds, found) in timings.items()}


def scaled(noise, seed):
    """Cosines where one block is a hundred times as large."""
    X, H = planted(noise, seed)
    scale = np.repeat([100.0, 1.0, 1.0], list(SIZES.values()))
    large = Blocks({"a": 100 * X["a"], "b": X["b"], "c": X["c"]})
    found = {
        "coupled_nmf, balanced": ours(large, seed, block_weights="balanced"),
        "coupled_nmf": ours(large, seed),
        "scikit-learn": scikit_learn(large.to_array(), seed),
        "iMML JNMF": imml([large[name] for name in large.names], seed),
    }
    return {name: (cosine(components / scale, H),) for name, (_, components) in found.items()}


def missing(noise, seed):
    """Relative errors of a block that a third of the samples lack."""
    X, _ = planted(noise, seed)
    lacking = np.random.RandomState(seed).uniform(size=N) < 1 / 3
    there = np.flatnonzero(~lacking)
    gappy = Blocks({"a": X["a"], "b": X["b"][there], "c": X["c"]}, samples={"b": there})
    columns = X.layout.slices["b"]
    F, H = ours(gappy, seed)
    found = {"coupled_nmf": F[lacking] @ H[:, columns]}
    array = X.to_array()
    _, H = scikit_learn(array[there], seed)
    others = np.delete(np.arange(array.shape[1]), np.arange(columns.start, columns.stop))
    rows = np.array([nnls(H[:, others].T, row[others])[0] for row in array[lacking]])
    found["scikit-learn, complete samples"] = rows @ H[:, columns]
    parts = [np.array(X[name]) for name in X.names]
    parts[1][lacking] = np.nan
    F, H = imml(parts, seed)
    found["iMML JNMF"] = F[lacking] @ H[:, columns]
    found["column means"] = np.broadcast_to(X["b"][there].mean(axis=0), (lacking.sum(), SIZES["b"]))
    truth = X["b"][lacking]
    return {name: (float(np.sum((truth - guess) ** 2) / np.sum(truth**2)),) for name, guess in found.items()}


def rank(noise, seed):
    """Whether the planted rank scores best."""
    X, _ = planted(noise, seed)
    base = CoupledNMF(random_state=seed)

    def searched(scoring):
        search = GridSearchCV(base, {"n_components": list(RANKS)}, scoring=scoring, cv=3, refit=False)
        scores = search.fit(X).cv_results_["mean_test_score"]
        return (float(RANKS[int(np.argmax(scores))] == K),)

    held = holdout_entries(X, list(RANKS), n_repeats=2, estimator=base, random_state=seed).best_rank
    return {
        "BiCrossValidation": searched(BiCrossValidation()),
        "holdout_entries": (float(held == K),),
        "score of held-out rows": searched(None),
    }


def summary(values):
    """Mean, smallest and largest."""
    return {"mean": float(np.mean(values)), "min": float(np.min(values)), "max": float(np.max(values))}


def measure():
    warnings.simplefilter("ignore")
    complete(0.1, 0)  # compiles, and imports
    missing(0.1, 0)
    figures = {}
    for study in (complete, scaled, missing, rank):
        figures[study.__name__] = {}
        for noise in NOISES:
            runs = [study(noise, seed) for seed in SEEDS]
            figures[study.__name__][noise] = {
                name: [summary([run[name][i] for run in runs]) for i in range(len(runs[0][name]))] for name in runs[0]
            }
            print(study.__name__, noise, figures[study.__name__][noise], flush=True)
    return figures
