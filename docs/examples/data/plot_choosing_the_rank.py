"""
The rank by grid search, in a pipeline
======================================

``GridSearchCV`` holds out rows. A row that was held out still gets its own F from the very entries that are scored, so
more components never look worse. ``BiCrossValidation`` also holds out columns, and scores only what neither the fit nor
F has seen. The data are planted here, so the rank to find is known: six.

What is learned: how to search over ``n_components`` of the last step of a pipeline, and which score to use.
"""

import sys

import matplotlib.pyplot as plt
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from coupled_nmf import BiCrossValidation, CoupledNMF, RankCurveDisplay, make_coupled_blocks

# %%
# Two blocks of six components, with noise. In a pipeline the steps before see one 2-D array, so ``blocks`` says how it
# divides. The step before has to treat columns one by one: one that mixes them would carry what is held out into the
# rest.

sizes = {"a": 60, "b": 30}
X = make_coupled_blocks(300, sizes, 6, noise=0.5, random_state=0)[0].to_array()
pipeline = make_pipeline(MaxAbsScaler(), CoupledNMF(blocks=sizes, max_iter=500, random_state=0))
ranks = {"couplednmf__n_components": list(range(1, 13))}

# %%
# Both searches fit the same models to the same rows.

by_rows = GridSearchCV(pipeline, ranks, cv=3).fit(X)
by_rows_and_columns = GridSearchCV(pipeline, ranks, cv=3, scoring=BiCrossValidation()).fit(X)
for name, search in [("rows", by_rows), ("rows and columns", by_rows_and_columns)]:
    print(f"held out {name}: rank {search.best_params_['couplednmf__n_components']}")

# %%
# The first curve never rises. The second is lowest at the planted rank.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
RankCurveDisplay.from_search(by_rows, ax=axes[0])
RankCurveDisplay.from_search(by_rows_and_columns, ax=axes[1])
axes[0].set_title("held out: rows")
axes[1].set_title("held out: rows and columns")
axes[1].set_ylabel("")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
