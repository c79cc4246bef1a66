"""What `shapes` factors: planted matrices of many shapes, and data of a few fields, made or at hand."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.sparse import coo_array, csr_array

from benchmarks.workload import MNIST, paper_workload

KULLBACK_LEIBLER = "kullback-leibler"


class Absent(Exception):
    """The data are not on this machine."""


@dataclass(frozen=True)
class Shape:
    """A matrix, the rank at which it is factored, and the loss."""

    make: Callable[[], Any]
    rank: int
    loss: str = "frobenius"


def planted(n_samples: int, n_features: int, rank: int, dtype: type = np.float32) -> Callable[[], Any]:
    """Gamma factors and noise of a tenth of the root mean square; what falls below zero is cut off."""

    def make() -> Any:
        rng = np.random.default_rng(0)
        F, H = (rng.gamma(0.5, size=(n, rank)).astype(dtype) for n in (n_samples, n_features))
        X = F @ H.T
        X += 0.1 * float(np.sqrt(np.mean(X**2))) * rng.standard_normal(X.shape, dtype=dtype)
        return np.maximum(X, 0, out=X)

    return make


def counts(n_samples: int, n_features: int, rank: int, zeros: float, depth: float = 0.0) -> csr_array:
    """Poisson counts of gamma factors, scaled to so many zeros; ``depth`` is by how much rows differ in their sums.

    Of each component as many events are drawn as it has, then the row and the column of each: the sum over components
    is Poisson with mean FH, and no array of X's size is needed.
    """
    rng = np.random.default_rng(0)
    F, H = rng.gamma(0.5, size=(n_samples, rank)), rng.gamma(0.5, size=(n_features, rank))
    F *= rng.lognormal(0, depth, size=(n_samples, 1)) if depth else 1.0
    means = F[:500] @ H.T
    F *= brentq(lambda scale: np.mean(np.exp(-scale * means)) - zeros, 1e-9, 1e3)
    rows, columns = [], []
    for f, h in zip(F.T, H.T, strict=True):
        n = rng.poisson(f.sum() * h.sum())
        rows.append(rng.choice(n_samples, n, p=f / f.sum()))
        columns.append(rng.choice(n_features, n, p=h / h.sum()))
    places = np.concatenate(rows), np.concatenate(columns)
    return coo_array((np.ones(len(places[0]), np.float32), places), (n_samples, n_features)).tocsr()


def cells() -> csr_array:
    """Like counts of single cells: nine of ten are zero, and cells differ in how much was read of them."""
    return counts(20_000, 2_000, 30, zeros=0.9, depth=0.5)


def spectrogram() -> Any:
    """Frequencies by frames: notes of twenty harmonics that set in and fade, times what a periodogram scatters."""
    rng = np.random.default_rng(0)
    n_frequencies, n_frames, n_notes = 1025, 5000, 40
    bins, pitches = np.arange(n_frequencies), 8 * 2 ** (np.arange(n_notes) / 12)
    W = np.zeros((n_frequencies, n_notes))
    for number in range(1, 21):
        W += np.exp(-0.5 * (bins[:, None] - number * pitches) ** 2) / number
    onsets = rng.gamma(2.0, size=(n_frames, n_notes)) * (rng.random((n_frames, n_notes)) < 0.01)
    A = np.zeros((n_frames, n_notes))
    for frame in range(n_frames):
        A[frame] = onsets[frame] + (0.97 * A[frame - 1] if frame else 0)
    return ((W @ A.T + 1e-3) * rng.gamma(2.0, 0.5, size=(n_frequencies, n_frames))).astype(np.float32)


def pictures() -> Any:
    """20,000 patches of 10 x 10 coloured pixels of the two photographs that scikit-learn ships."""
    from sklearn.datasets import load_sample_images
    from sklearn.feature_extraction.image import extract_patches_2d

    images = load_sample_images().images
    patches = [extract_patches_2d(image, (10, 10), max_patches=10_000, random_state=0) for image in images]
    return np.concatenate(patches).reshape(20_000, -1).astype(np.float32) / 255


def text() -> csr_array:
    """Tf-idf of the docstrings in the sources of NumPy, SciPy and scikit-learn, which are read, not imported."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    documents = [document for name in ("numpy", "scipy", "sklearn") for document in docstrings(name)]
    vectorizer = TfidfVectorizer(stop_words="english", token_pattern="[a-z]{3,}", min_df=4, dtype=np.float32)
    return csr_array(vectorizer.fit_transform(documents))


def docstrings(package: str) -> list[str]:
    """Docstrings of 20 words or more, each once."""
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    found = {}
    for path in sorted(Path(find_spec(package).origin).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kinds) and (document := ast.get_docstring(node)) and len(document.split()) >= 20:
                found[document] = None
    return list(found)


def mnist() -> Any:
    """MNIST's test images and both layers of the paper's network, as blocks."""
    if not any(MNIST.glob("*.gz")):
        raise Absent("MNIST is not there: the environment's MNIST says where its gzipped files lie")
    return paper_workload()


SHAPES = {
    "400 x 4,096": Shape(planted(400, 4_096, 40), 40),
    "300 x 50,000": Shape(planted(300, 50_000, 20), 20),
    "500,000 x 30": Shape(planted(500_000, 30, 8), 8),
    "5,000 x 3,000": Shape(planted(5_000, 3_000, 30), 30),
    "5,000 x 2,000, rank 100": Shape(planted(5_000, 2_000, 100), 100),
    "5,000 x 2,000, rank 200": Shape(planted(5_000, 2_000, 200), 200),
    "10,000 x 20,000, sparse": Shape(lambda: counts(10_000, 20_000, 20, zeros=0.99), 20),
    "100 x 20, float64": Shape(planted(100, 20, 5, np.float64), 5),
    "MNIST, rank 10": Shape(mnist, 10),
    "MNIST, rank 30": Shape(mnist, 30),
    "MNIST, rank 50": Shape(mnist, 50),
    "cells, dense": Shape(lambda: cells().toarray(), 30),
    "cells, sparse": Shape(cells, 30),
    "spectrogram": Shape(spectrogram, 40, KULLBACK_LEIBLER),
    "pictures": Shape(pictures, 30),
    "text, sparse": Shape(text, 20),
}
