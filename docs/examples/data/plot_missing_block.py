"""
Two assays with gaps
====================

Scikit-learn's breast cancer data hold ten measurements of cell nuclei twice: their mean over an image, and their worst
value. These are taken here for two assays of the same samples. A quarter of the samples lack the first one, another
quarter the second, and single entries are missing in both.

What is learned: how to say so to the model, how to choose a rank and a penalty for such gaps, and how well either assay
is filled in, beside a model of one assay alone with a regression on its factors, column means and scikit-learn's
imputers. What is not: gaps that depend on what is missing; here they are drawn at random.
"""

import sys
import warnings
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  (makes IterativeImputer importable)
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import LinearRegression

from coupled_nmf import Blocks, CoupledNMF

# %%
# The data, each measurement in units of its mean, and what is taken away.

rng = np.random.default_rng(0)
measured = load_breast_cancer().data
measured = measured / measured.mean(axis=0)
truth = {"mean": measured[:, :10], "worst": measured[:, 20:]}
seen = {name: np.where(rng.uniform(size=assay.shape) < 0.05, np.nan, assay) for name, assay in truth.items()}
order = rng.permutation(len(measured))
quarter = len(order) // 4
lacking = {"mean": order[:quarter], "worst": order[quarter : 2 * quarter]}
complete = order[2 * quarter :]
for name, rows in lacking.items():
    seen[name][rows] = np.nan

# %%
# Of each assay the model gets the rows that there are, and which samples they belong to. F has a row for every sample:
# those that lack an assay are described by the other one.


def rows_of(assay):
    """Samples of which there is anything."""
    return np.flatnonzero(~np.isnan(assay).all(axis=1))


def coupled(seen, rank, penalty):
    """Both assays of all samples, by a model of both."""
    samples = {name: rows_of(assay) for name, assay in seen.items()}
    X = Blocks({name: assay[samples[name]] for name, assay in seen.items()}, samples=samples)
    model = CoupledNMF(rank, alpha_F=penalty, max_iter=3000, random_state=0)
    F = model.fit_transform(X)
    return {name: model.inverse_transform(F, block=name) for name in seen}


def one_assay(seen, rank):
    """Each assay by a model of the other alone, and a regression of each measurement on its factors."""
    filled = {}
    for name, other in [("mean", "worst"), ("worst", "mean")]:
        samples = rows_of(seen[other])
        F = CoupledNMF(rank, max_iter=3000, random_state=0).fit_transform(seen[other][samples])
        filled[name] = np.full_like(seen[name], np.nan)
        for column, values in enumerate(seen[name][samples].T):
            there = ~np.isnan(values)
            filled[name][samples, column] = LinearRegression().fit(F[there], values[there]).predict(F)
    return filled


def rms(filled, known, rows):
    """Root mean square of what is wrong in these rows of each assay."""
    return {name: np.sqrt(np.nanmean((filled[name] - known[name])[rows[name]] ** 2)) for name in rows}


# %%
# Rank and penalty. What is to be predicted are whole assays, so whole ones are hidden: of the samples that have both a
# sixth lose the first and a sixth the second, three times. (``holdout_entries`` hides single entries, and leaves the
# others of their rows.)

ranks = range(1, 8)
methods = {f"CoupledNMF, penalty {penalty:g}": partial(coupled, penalty=penalty) for penalty in (0, 0.001, 0.01, 0.1)}
methods["one assay, regression"] = one_assay
errors = {name: np.zeros(len(ranks)) for name in methods}
for _ in range(3):
    places = rng.permutation(complete)
    sixth = len(places) // 6
    hidden = {"mean": places[:sixth], "worst": places[sixth : 2 * sixth]}
    left = {name: assay.copy() for name, assay in seen.items()}
    for name, rows in hidden.items():
        left[name][rows] = np.nan
    for name, fill in methods.items():
        errors[name] += [np.mean(list(rms(fill(left, rank), seen, hidden).values())) / 3 for rank in ranks]
best = min(list(methods)[:-1], key=lambda name: errors[name].min())
chosen = {name: ranks[int(errors[name].argmin())] for name in ("CoupledNMF, penalty 0", best, "one assay, regression")}

# %%
# The fits, and the others' answers. scikit-learn's imputers see one array with NaN wherever something is missing.

filled = {f"{name}, rank {rank}": methods[name](seen, rank) for name, rank in chosen.items()}
filled["column means"] = {name: np.zeros_like(assay) + np.nanmean(assay, axis=0) for name, assay in seen.items()}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # it goes on moving; more rounds end lower, slowly
    for imputer in (KNNImputer(), IterativeImputer(max_iter=30, random_state=0)):
        both = imputer.fit_transform(np.hstack(list(seen.values())))
        filled[type(imputer).__name__] = {"mean": both[:, :10], "worst": both[:, 10:]}
found = {name: rms(values, truth, lacking) for name, values in filled.items()}
for name, error in found.items():
    print(f"{name:>35}:", ", ".join(f"{assay} {value:.3f}" for assay, value in error.items()))

# %%
# Left: the error on assays that were hidden to choose by. Without a penalty more components do harm: each gap leaves
# them freer to describe one assay in a way that says nothing of the other. A small one on both factors ends that, a
# large one takes everything. Right: the error on the assays that were never there. A regression on the factors of one
# assay alone does a little better, and so do nearest neighbours. It takes two models, of which neither sees all
# samples; the coupled one describes them all by the same three components.

figure, (curve, bars) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained", width_ratios=[5, 6])
for (name, values), style in zip(errors.items(), ["o:", "v-.", "^-", "D--", "s-"], strict=True):
    colour = "0.45" if name == "one assay, regression" else "#d55e00" if name == best else "#0072b2"
    curve.plot(ranks, values, style, color=colour, label=name)
curve.set(xlabel="rank (number of components)", ylim=(0, 1.2 * errors[best].max()))
curve.set_ylabel("RMS error on hidden assays (parts of the mean)")
curve.spines[["top", "right"]].set_visible(False)
curve.legend(frameon=False)
names = sorted(found, key=lambda name: sum(found[name].values()))
for shift, (assay, lacked), colour in [(-0.19, ("mean", "first"), "#0072b2"), (0.19, ("worst", "second"), "#56b4e9")]:
    values = [found[name][assay] for name in names]
    drawn = bars.barh(np.arange(len(names)) + shift, values, 0.36, color=colour, label=f"the {lacked} assay")
    bars.bar_label(drawn, fmt="%.2f", padding=3)
bars.set_yticks(range(len(names)), names)
bars.invert_yaxis()
bars.spines[["top", "right"]].set_visible(False)
bars.tick_params(axis="y", length=0)
bars.set_xlabel("RMS error on the assay where it is missing (parts of the mean)")
bars.legend(frameon=False, loc="upper right")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
