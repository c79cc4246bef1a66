"""What is done with an attacking array: it is refused, or a fit gives what it gives for the same content, dense."""

import numpy as np
import scipy.sparse as sp

from coupled_nmf import Blocks, CoupledNMF

SHAPE = (23, 9)
SAME, NONE, ANY = "the same", "none", "any"  # what an attacking array means: what its dense form does, or nothing
LOSSES = [{"solver": "hals"}, {"solver": "mu"}, {"solver": "mu", "beta_loss": "kullback-leibler"}]


class Broken(OSError):
    """What a source raises of itself."""


def draw(rng, zeros=False):
    """Data of a few rows and columns, half of them zeros if so asked."""
    X = rng.uniform(0.1, 1.0, SHAPE)
    if zeros:
        X[rng.random(SHAPE) < 0.5] = 0
    return X.astype(np.float32) if rng.random() < 0.3 else X


def alone(array):
    """An array that is X."""
    return array


def as_block(array):
    """An array that is a block of X."""
    return Blocks({"a": np.ones((SHAPE[0], 2)), "b": array})


def in_part(array):
    """An array that is a block of X, which some samples lack."""
    return Blocks({"a": np.ones((SHAPE[0] + 4, 2)), "b": array}, samples={"b": range(2, SHAPE[0] + 2)})


def warm_up():
    """Have everything compiled that is called, so that the time is that of the cases."""
    for params in LOSSES:
        for kind in (np.float32, np.float64):
            X = draw(np.random.default_rng(0)).astype(kind)
            for form in (alone, as_block, in_part):
                for array in (X, sp.csr_array(X)):
                    CoupledNMF(2, **params, init="random", max_iter=1, tol=0).partial_fit(form(array))


def compare(rng, attacking, dense, meaning, name):
    """What is wrong with how the array is taken, if anything; ``dense`` is its content, if it means the same."""
    params = {**LOSSES[rng.integers(3)], "n_jobs": 1, "init": "random", "random_state": 0, "max_iter": 5, "tol": 0}
    hand_over = (alone, as_block, in_part)[rng.integers(3)]
    call = ("fit", "transform", "score", "partial_fit")[rng.integers(4)]
    where = f"{name}; {hand_over.__name__}, {call}, {params.get('beta_loss', params['solver'])}"
    known = CoupledNMF(3, **params).fit(hand_over(draw(np.random.default_rng(1))))

    def outcome(array):
        X = hand_over(array)
        if call == "fit":
            return CoupledNMF(3, **params).fit(X).components_
        if call == "partial_fit":
            return CoupledNMF(3, **params).partial_fit(X).partial_fit(X).components_
        return np.asarray(getattr(known, call)(X))

    expected = outcome(dense)
    try:
        found = outcome(attacking)
    except (ValueError, TypeError) as error:
        return f"{where}: refused by {error}" if meaning == SAME else None
    except Broken:
        return None
    if meaning == NONE:
        return f"{where}: accepted"
    if not np.isfinite(found).all():
        return f"{where}: what is found is not finite"
    if meaning == SAME and not np.allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()):
        return f"{where}: {found.ravel()[:5]} for {expected.ravel()[:5]}"
    return None
