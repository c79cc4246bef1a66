"""Kullback–Leibler: time to the loss where scikit-learn's mu ends, from where HALS ends and from random starts.

Data of five fields, float32: the spectrogram, the pictures (5,000 patches) and the documents of `shapes`, these as
counts of words, counts like those of single cells (2,000 x 1,000, sparse), and the digits that scikit-learn ships.
scikit-learn's NMF runs with its defaults and ends by itself. Ours is given the fewest iterations whose fit ends at its
loss or below, found beforehand by doubling and halving; if no default fit does, the same with tol 0 and up to 1,000
iterations. Losses are recomputed in float64. All take turns, three rounds; a ratio is of one round, and each figure is
the median with its range. Seeds 0, 1 and 2, one a round.
"""

import warnings

import numpy as np
from scipy.sparse import csr_array, issparse

from benchmarks.ours import Ours
from benchmarks.shape_data import KULLBACK_LEIBLER, Shape, counts, docstrings, pictures, spectrogram
from benchmarks.shape_peers import loss_of, scikit_learn
from benchmarks.workload import geometric_mean, spread, timed

SEEDS, STARTS = (0, 1, 2), ("auto", "random")


def words():
    """Counts of the words of the docstrings of NumPy, SciPy and scikit-learn."""
    from sklearn.feature_extraction.text import CountVectorizer

    documents = [document for name in ("numpy", "scipy", "sklearn") for document in docstrings(name)]
    counter = CountVectorizer(stop_words="english", token_pattern="[a-z]{3,}", min_df=4, dtype=np.float32)
    return csr_array(counter.fit_transform(documents))


def digits():
    from sklearn.datasets import load_digits

    return load_digits().data.astype(np.float32)


DATA = {
    "spectrogram": (spectrogram, 40),
    "pictures": (lambda: np.ascontiguousarray(pictures()[::4]), 30),
    "words, sparse": (words, 20),
    "cells, sparse": (lambda: counts(2_000, 1_000, 20, zeros=0.9, depth=0.5), 20),
    "digits": (digits, 16),
}


def measure():
    warnings.simplefilter("ignore")
    data = {}
    for name, (make, rank) in DATA.items():
        data[name] = measure_data(make(), Shape(make, rank, KULLBACK_LEIBLER))
        print(name, data[name], flush=True)
    means = {
        start: geometric_mean([found["starts"][start]["ratio"]["median"] for found in data.values()])
        for start in STARTS
        if all("ratio" in found["starts"][start] for found in data.values())
    }
    return {"data": data, "geometric_mean_ratio": means}


def measure_data(X, shape):
    rounds = [one_round(X, shape, seed) for seed in SEEDS]
    return {
        "shape": list(X.shape),
        "stored": int(X.nnz) if issparse(X) else None,
        "rank": shape.rank,
        "peer_seconds": spread([run["peer"] for run in rounds]),
        "starts": {start: told([run | run[start] for run in rounds]) for start in STARTS},
    }


def one_round(X, shape, seed):
    """scikit-learn, and from each start ours: to its loss, and by defaults."""
    found = {}
    found["peer"], (F, H) = timed(scikit_learn("mu", seed)(X, shape.rank, shape.loss))
    found["loss"] = loss_of(X, F, H, shape.loss)
    for start in STARTS:
        ours = Ours(X, X, shape, init=start, random_state=seed)
        budget = ours.by_one_start(found["loss"])
        mine = timed(ours.fit(budget))[0] if budget else None
        found[start] = {
            "budget": budget,
            "ours": mine,
            "defaults": timed(ours.fit(ours.DEFAULT))[0],
            "over": ours.loss_at(ours.DEFAULT) / found["loss"],
        }
    return found


def told(runs):
    """One start: our seconds to the loss, iterations, and how many times as long scikit-learn took; a default fit."""
    at = [run for run in runs if run["budget"]]
    figures = {"misses": len(runs) - len(at)}
    if at:
        figures |= {
            "seconds": spread([run["ours"] for run in at]),
            "iterations": spread([run["budget"][0] for run in at]),
            "ratio": spread([run["peer"] / run["ours"] for run in at]),
        }
    figures["defaults"] = {
        "seconds": spread([run["defaults"] for run in runs]),
        "ratio": spread([run["peer"] / run["defaults"] for run in runs]),
        "loss_over_the_peers": spread([run["over"] for run in runs]),
    }
    return figures
