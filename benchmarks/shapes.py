"""Many shapes: time to the loss where each peer ends by its own stopping, and an iteration over its whole floor.

Planted matrices are gamma factors and noise, float32 unless said; counts are Poisson; the spectrogram is made, too, and
is factored by the Kullback–Leibler loss; pictures are patches of the two photographs that scikit-learn ships, text is
tf-idf of the docstrings of NumPy, SciPy and scikit-learn, MNIST comes with both layers. Each peer runs with its own
defaults and stops by itself, on data in the form that it takes, made beforehand. Ours is given the fewest iterations
whose fit ends at the peer's loss or below, found beforehand by doubling and halving; if no default fit does, the same
with tol 0 and up to 1,000 iterations, or half a minute, and if none does either, the best of 2, 4 or 8 starts, each by
defaults; what then counts is named. A peer has a minute. Losses are recomputed from X in float64. All take turns; each
figure is the median of the rounds with its range, and a ratio is of one round. A first pass, which warms up and finds
refusals, counts only where there is no time for another. The floor of an exact HALS iteration is max(bytes of X / read
bandwidth, flops of all products / sgemm rate): both products with X, three sweeps of each factor over its gram, and
half of each symmetric gram.
"""

import os
import time
import warnings

from benchmarks.floors import floors
from benchmarks.ours import Ours
from benchmarks.quiet import Quiet
from benchmarks.record import kept, stamp
from benchmarks.shape_data import KULLBACK_LEIBLER, SHAPES, Absent
from benchmarks.shape_peers import Refused, at_most, loss_of, peers
from benchmarks.workload import geometric_mean, spread, timed

ROUNDS = int(os.environ.get("ROUNDS", 7))  # at most; 0: the first pass alone
SECONDS = 120.0  # for the rounds of a shape, beside the first pass and the search
LONGEST = 60.0  # what a peer may take
FLOORS = "floors"


def measure(only=None):
    """Measure all, or what is named; what is not measured again is kept as it was, with its date and its commit."""
    names = [*SHAPES, FLOORS] if only is None else only
    if unknown := set(names) - {*SHAPES, FLOORS}:
        raise SystemExit(f"no shape {', '.join(sorted(unknown))}; there are {'; '.join((*SHAPES, FLOORS))}")
    warnings.simplefilter("ignore")
    made = stamp()  # of the code as it was loaded, whatever is committed meanwhile
    before = kept("shapes") or {"shapes": {}}
    found, shapes = before["shapes"], {}
    for name, shape in SHAPES.items():
        if name in names:
            found[name] = measured(lambda shape=shape: measure_shape(shape), made)
            print(name, found[name], flush=True)
        if name in found:
            shapes[name] = found[name]
    figures = summarize(shapes) | {"shapes": shapes, "not_measured": [name for name in SHAPES if name not in shapes]}
    if FLOORS in names:
        figures[FLOORS] = measured(lambda: floors(max(1, ROUNDS)), made)
    elif FLOORS in before:
        figures[FLOORS] = before[FLOORS]
    return figures


def measured(call, made):
    """What the call finds, when, of which commit and versions, and how quiet it was."""
    quiet = Quiet()
    return call() | made | {"quiet": quiet.figures()}


def measure_shape(shape):
    try:
        data = shape.make()
    except Absent as error:
        return {"skipped": str(error)}
    X = data.to_array() if hasattr(data, "to_array") else data
    ours, reference = Ours(data, X, shape), "scikit-learn mu" if shape.loss == KULLBACK_LEIBLER else "scikit-learn cd"
    fits, found = {}, {}
    for name, prepare in peers().items():
        try:
            fits[name] = prepare(X, shape.rank, shape.loss)
        except Refused as refusal:
            found[name] = {"refused": str(refusal)}
    rounds = [one_round(X, shape, fits, ours, found)]
    n_rounds = min(ROUNDS, int(SECONDS / seconds_in(rounds[0])))
    rounds = [one_round(X, shape, fits, ours, found) for _ in range(n_rounds)] or rounds
    return {
        "shape": list(X.shape),
        "stored": int(X.nnz) if hasattr(X, "nnz") else None,
        "dtype": str(X.dtype),
        "rank": shape.rank,
        "loss": shape.loss,
        "reference": reference,
        "rounds": len(rounds),
        "peers": {name: found.get(name) or told([run["peers"][name] for run in rounds]) for name in peers()},
        "defaults": against_defaults(rounds, reference, found),
    }


def one_round(X, shape, fits, ours, found):
    """Every peer, and ours to its loss; who does not go through is noted in ``found``, and left out from then on."""
    runs = {}
    for name in [name for name in fits if name not in found]:
        began = time.perf_counter()
        try:
            with at_most(LONGEST):
                seconds, (F, H) = timed(fits[name])
            loss = loss_of(X, F, H, shape.loss)
        except Exception as error:  # whatever a peer raises is what there is to say of it
            text = str(error).split("\n")[0] if isinstance(error, Refused) else repr(error)[:200]
            found[name] = {"refused": text, "after": time.perf_counter() - began}
            continue
        if not loss < float("inf"):
            found[name] = {"refused": "its factors are not finite"}
            continue
        budget = ours.budget_for(loss)
        mine = timed(ours.fit(budget))[0] if budget else None
        runs[name] = {"peer": seconds, "loss": loss, "ours": mine, "budget": budget}
    return {"peers": runs, "defaults": timed(ours.fit(ours.DEFAULT))[0], "loss": ours.loss_at(ours.DEFAULT)}


def seconds_in(run):
    """What was timed in one round."""
    return run["defaults"] + sum(one["peer"] + (one["ours"] or 0) for one in run["peers"].values())


def told(runs):
    """One peer: its seconds and its loss, our seconds to it, and how many times as long the peer took."""
    at = [run for run in runs if run["budget"]]
    figures = {"seconds": spread([run["peer"] for run in runs]), "loss": spread([run["loss"] for run in runs])}
    figures["misses"] = len(runs) - len(at)
    if at:
        iterations, tol, starts = at[-1]["budget"]
        figures |= {
            "ours": spread([run["ours"] for run in at]),
            "iterations": iterations,
            "tol": tol,
            "starts": starts,
            "ratio": spread([run["peer"] / run["ours"] for run in at]),
        }
    return figures


def against_defaults(rounds, reference, found):
    """A default fit of ours beside the reference's, wherever either ends."""
    figures = {"seconds": spread([run["defaults"] for run in rounds]), "loss": rounds[0]["loss"]}
    if reference not in found:
        peer = [run["peers"][reference] for run in rounds]
        ratios = [one["peer"] / run["defaults"] for one, run in zip(peer, rounds, strict=True)]
        figures |= {"ratio": spread(ratios), "loss_over_the_peers": rounds[0]["loss"] / peer[0]["loss"]}
    return figures


def summarize(shapes):
    """Geometric means over shapes: of each peer, of the reference, and of defaults against the reference's."""
    there = {name: found for name, found in shapes.items() if "skipped" not in found}
    figures = {"to_loss": {}}
    for peer in peers():
        figures["to_loss"][peer] = over_shapes({name: found["peers"][peer] for name, found in there.items()})
    own = {name: found["peers"][found["reference"]] for name, found in there.items()}
    figures["to_loss_of_the_reference"] = over_shapes(own)
    figures["defaults"] = over_shapes({name: found["defaults"] for name, found in there.items()})
    return figures


def over_shapes(found):
    """Mean and range of the medians, and which shapes are slower, missed, or not taken."""
    ratios = {name: one["ratio"]["median"] for name, one in found.items() if "ratio" in one}
    return {
        "geometric_mean_ratio": geometric_mean(list(ratios.values())) if ratios else None,
        "ratio": spread(list(ratios.values())) if ratios else None,
        "shapes": len(ratios),
        "slower": [name for name, ratio in ratios.items() if ratio < 1],
        "missed": [name for name, one in found.items() if "ratio" not in one and "refused" not in one],
        "by_a_smaller_tol": [name for name, one in found.items() if one.get("tol") == 0],
        "by_more_starts": [name for name, one in found.items() if one.get("starts", 1) > 1],
        "refused": {name: one["refused"] for name, one in found.items() if "refused" in one},
    }
