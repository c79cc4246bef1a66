"""
Imputing a block that some samples lack
=======================================

Scikit-learn's breast cancer data hold ten measurements of cell nuclei twice: their mean over an image, and their worst
value. These are taken here for two assays of the same samples. A third of the samples lack the second one, and single
entries are missing in both.

What is learned: how to say so to the model, how to choose a rank for such a gap, and how well the missing block is
filled in, beside column means and scikit-learn's imputers.
"""

import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  (makes IterativeImputer importable)
from sklearn.impute import IterativeImputer, KNNImputer

from coupled_nmf import Blocks, CoupledNMF, RankCurveDisplay

# %%
# The data, each measurement in units of its mean, and what is taken away: the second block of a third of the samples,
# and 5% of the entries of both.

rng = np.random.default_rng(0)
measured = load_breast_cancer().data
measured = measured / measured.mean(axis=0)
mean, worst = measured[:, :10], measured[:, 20:]


def punch(array):
    """A copy with 5% of the entries missing."""
    return np.where(rng.uniform(size=array.shape) < 0.05, np.nan, array)


order = rng.permutation(len(measured))
lacking, having = order[: len(order) // 3], order[len(order) // 3 :]
mean_seen, worst_seen = punch(mean), punch(worst[having])


def fit(rank, samples, rows):
    """A model of the first block, and of these rows of the second, which belong to these samples."""
    X = Blocks({"mean": mean_seen, "worst": rows}, samples={"worst": samples})
    model = CoupledNMF(rank, max_iter=1000, random_state=0)
    return model, model.fit_transform(X)


def rms(error):
    """Root mean square of the entries that are there."""
    return np.sqrt(np.nanmean(error**2))


# %%
# The rank. What is to be predicted is a whole block, so whole blocks are hidden: a third of the samples that have the
# second one lose it, three times. (``holdout_entries`` hides single entries, and leaves the others of their rows.)

ranks, errors = range(1, 9), np.empty((8, 3))
for repeat in range(3):
    places = rng.permutation(len(having))
    hidden, left = places[: len(places) // 3], places[len(places) // 3 :]
    for rank in ranks:
        model, F = fit(rank, having[left], worst_seen[left])
        predicted = model.inverse_transform(F[having[hidden]], block="worst")
        errors[rank - 1, repeat] = rms(predicted - worst_seen[hidden])
chosen = ranks[int(errors.mean(axis=1).argmin())]

# %%
# The fit, and the others' answers. They see one array with NaN wherever something is missing.

model, F = fit(chosen, having, worst_seen)
X_lacking = Blocks({"mean": mean_seen[lacking]})
imputed = {f"CoupledNMF, rank {chosen}": model.inverse_transform(model.transform(X_lacking), block="worst")}

side_by_side = np.full((len(measured), 20), np.nan)
side_by_side[:, :10], side_by_side[having, 10:] = mean_seen, worst_seen
imputed["column means"] = np.tile(np.nanmean(worst_seen, axis=0), (len(lacking), 1))
imputed["KNNImputer"] = KNNImputer().fit_transform(side_by_side)[lacking, 10:]
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # it goes on moving; the ten rounds of its default end higher
    iterative = IterativeImputer(max_iter=30, random_state=0)
    imputed["IterativeImputer"] = iterative.fit_transform(side_by_side)[lacking, 10:]

found = {name: rms(values - worst[lacking]) for name, values in imputed.items()}
for name, error in found.items():
    print(f"{name:>20}: {error:.3f}")

# %%
# Left: the error on the blocks that were hidden to choose the rank. Right: on the block that was never there, by each
# method. A regression of each measurement on all others does best here; the model's answer comes from three components
# that also describe the samples.

figure, (left_axes, right_axes) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
RankCurveDisplay(
    ranks=ranks, errors=errors, chosen_rank=chosen, error_name="RMS error on hidden blocks\n(parts of the mean)"
).plot(left_axes)
left_axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.33, 1))
names = sorted(found, key=found.get)
right_axes.barh(names, [found[name] for name in names], color="0.6", height=0.6)
right_axes.invert_yaxis()
right_axes.bar_label(right_axes.containers[0], fmt="%.2f", padding=3)
right_axes.spines[["top", "right"]].set_visible(False)
right_axes.tick_params(axis="y", length=0)
right_axes.set_xlabel("RMS error on the missing block (parts of the mean)")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
