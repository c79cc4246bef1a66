"""
Topics of documents of which some have labels
=============================================

The documents are the docstrings of scikit-learn's estimators. One block counts words, in a sparse matrix; another says
to which subpackage a document belongs, and a third of the documents lack it. Both are factored together, with the
Kullback–Leibler loss, which is that of counts.

What is learned: what a component's words are, which subpackages it stands for, and, for the documents without that
block, a guess at it from their words.
"""

import inspect
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.utils.discovery import all_estimators

from coupled_nmf import Blocks, CoupledNMF

# %%
# The documents, of subpackages that have six or more. Words are counted if four documents or more have them, and not
# more than two in five: "array", "sample" and the like say nothing.

estimators = [estimator for _, estimator in all_estimators()]
subpackages = np.array([estimator.__module__.split(".")[1] for estimator in estimators])
names, sizes = np.unique(subpackages, return_counts=True)
names = names[sizes >= 6]
kept = np.isin(subpackages, names)
documents = [inspect.getdoc(estimator) for estimator, keep in zip(estimators, kept, strict=True) if keep]
subpackages = subpackages[kept]

vectorizer = CountVectorizer(stop_words="english", token_pattern="[a-z]{3,}", min_df=4, max_df=0.4)
counts = vectorizer.fit_transform(documents).astype(np.float64)
words = vectorizer.get_feature_names_out()
print(f"{counts.shape[0]} documents, {len(words)} words, {len(names)} subpackages")

# %%
# Two thirds of the documents have the second block: a row with a one at their subpackage. ``samples`` says which. One
# entry is little beside hundreds of words, so its block gets a weight: the subpackage then counts as fifty words do.

indicators = (subpackages[:, None] == names).astype(np.float64)
order = np.random.default_rng(0).permutation(len(documents))
known, unknown = np.sort(order[: 2 * len(order) // 3]), np.sort(order[2 * len(order) // 3 :])
X = Blocks({"words": counts, "subpackage": indicators[known]}, samples={"subpackage": known})

model = CoupledNMF(
    12, solver="mu", beta_loss="kullback-leibler", block_weights={"subpackage": 50}, n_init=5, max_iter=500,
    random_state=0,
)  # fmt: skip
F = model.fit_transform(X)

# %%
# The five largest words of each component, and how its subpackages share it.

H = model.block_components_
top_words = [", ".join(words[np.argsort(-row)[:5]]) for row in H["words"]]
shares = H["subpackage"] / np.maximum(H["subpackage"].sum(axis=1, keepdims=True), 1e-12)
for text, share in zip(top_words, shares, strict=True):
    print(f"{names[share.argmax()]} {share.max():.0%}: {text}")

# %%
# The third of the documents that lack the block were fitted by their words alone. What the model expects in the block
# is a guess at their subpackage, beside always saying the most frequent one, and a classifier that is made for this.
# With other ranks and weights more of them are right, or fewer: among so few documents, a single figure says little.

guessed = names[model.inverse_transform(F, block="subpackage")[unknown].argmax(axis=1)]
frequent = names[indicators[known].sum(axis=0).argmax()]
tfidf = TfidfTransformer().fit_transform(counts)
classifier = LogisticRegression(C=100, max_iter=1000).fit(tfidf[known], subpackages[known])
print(f"right of the {len(unknown)} documents without the block:")
print(f"  CoupledNMF {np.mean(guessed == subpackages[unknown]):.0%}")
print(f"  always {frequent} {np.mean(subpackages[unknown] == frequent):.0%}")
print(f"  LogisticRegression on tf-idf {classifier.score(tfidf[unknown], subpackages[unknown]):.0%}")

# %%
# All components at once, those of like subpackages together. ``ComponentsDisplay`` draws a few, with the weights of
# their words as bars.

rows = np.argsort(shares.argmax(axis=1), kind="stable")
figure, ax = plt.subplots(figsize=(9, 5), layout="constrained")
image = ax.imshow(shares[rows], cmap="gray_r", vmin=0, vmax=1, aspect="auto")
ax.set_xticks(range(len(names)), names, rotation=45, ha="right")
ax.set_yticks(range(len(rows)), [top_words[row] for row in rows])
ax.tick_params(length=0)
ax.set_xlabel("subpackage")
ax.set_ylabel("component, by its largest words")
figure.colorbar(image, label="part of the component's subpackages")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1])
else:
    plt.show()
