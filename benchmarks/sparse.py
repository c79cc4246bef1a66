"""Documents of words, as compressed sparse rows: seconds of 30 iterations, beside scikit-learn's.

10,000 documents of 150 words drawn from 30 topics over 20,000 words of Zipf's frequencies, rank 20, float32, half of a
percent of the entries stored. Random starts, tol 0, 30 iterations of each, alternating, three rounds; ours includes the
last solve for F, which scikit-learn's fit does not have.
"""

import warnings

import numpy as np
from scipy.sparse import csr_array
from sklearn.decomposition import NMF

from benchmarks.workload import geometric_mean, spread, timed
from coupled_nmf import CoupledNMF

N_DOCUMENTS, N_WORDS, N_TOPICS, LENGTH, RANK, N_ITER, ROUNDS = 10_000, 20_000, 30, 150, 20, 30, 3
PAIRS = {
    "Frobenius, hals / cd": ({}, {}),
    "Frobenius, mu": ({"solver": "mu"}, {"solver": "mu"}),
    "Kullback–Leibler, mu": tuple([{"solver": "mu", "beta_loss": "kullback-leibler"}] * 2),
}


def documents():
    """Counts of words, a document a row."""
    rng = np.random.RandomState(0)
    frequency = 1 / np.arange(1, N_WORDS + 1)
    frequency /= frequency.sum()
    topics = rng.dirichlet(0.01 * N_WORDS * frequency, size=N_TOPICS)
    shares = rng.dirichlet(np.full(N_TOPICS, 0.1), size=N_DOCUMENTS)
    words = np.concatenate([rng.choice(N_WORDS, LENGTH, p=share @ topics) for share in shares])
    counts = csr_array((np.ones(words.size), words, np.arange(0, words.size + 1, LENGTH)), (N_DOCUMENTS, N_WORDS))
    counts.sum_duplicates()
    return counts.astype(np.float32)


def measure():
    X = documents()
    warnings.simplefilter("ignore")
    figures = {"stored": X.nnz, "runs": {}}
    for name, (mine, theirs) in PAIRS.items():
        shared = {"init": "random", "max_iter": N_ITER, "tol": 0, "random_state": 0}
        model, peer = CoupledNMF(RANK, **shared, **mine), NMF(RANK, **shared, **theirs)
        CoupledNMF(RANK, **(shared | {"max_iter": 1}), **mine).fit(X)  # compiles
        rounds = [(timed(lambda m=model: m.fit(X))[0], timed(lambda m=peer: m.fit(X))[0]) for _ in range(ROUNDS)]
        ratios = [theirs / mine for mine, theirs in rounds]
        figures["runs"][name] = {
            "ratio": spread(ratios) | {"geometric_mean": geometric_mean(ratios)},
            "seconds": spread([mine for mine, _ in rounds]),
            "peer_seconds": spread([theirs for _, theirs in rounds]),
            "loss_over_the_peers": float(model.reconstruction_err_**2 / peer.reconstruction_err_**2),
        }
        print(name, figures["runs"][name], flush=True)
    return figures
