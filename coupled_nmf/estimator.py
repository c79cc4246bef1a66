"""The estimator: parameters, checks, fit, transform, inverse_transform, score."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from coupled_nmf.alternation import FIRST_SWEEPS, WINDOW, Alternation, Callback, Exact, LoopResult
from coupled_nmf.backends import BACKENDS
from coupled_nmf.blocks import BlockLayout, Blocks, TiledMatrix
from coupled_nmf.checks import read_X, refuse_entries
from coupled_nmf.initialization import STARTS, check_custom
from coupled_nmf.lowrank import StandIn, find_stand_in, stand_in_width, start_on_stand_in, unweigh
from coupled_nmf.objective import root_mean_square
from coupled_nmf.persistence import load_model, save_model
from coupled_nmf.solvers import SOLVERS
from coupled_nmf.steps import Scan, SolveF

WARM_WINDOW = 2  # iterations over which the fall of J is looked at after a compressed start
LARGE = 2**20  # entries of X from which the compressed start is the default

LOGGER = logging.getLogger("coupled_nmf")


@dataclass(frozen=True)
class Prepared:
    """Checked data, ready to be fitted: with the weight and the sum of squares of each block, and the sum of X."""

    X: TiledMatrix
    backend: Any
    alpha: NDArray[np.float64]
    squares: NDArray[np.float64]
    total: float

    @property
    def mean(self) -> float:
        """Mean of X."""
        return self.total / (self.X.shape[0] * self.X.shape[1])

    @cached_property
    def column_weights(self) -> NDArray[np.float64]:
        """α of each column."""
        return np.repeat(self.alpha, self.X.layout.sizes)

    @property
    def reading(self) -> Exact:
        """What the loop reads."""
        return Exact(self.X, self.column_weights, float(self.alpha @ self.squares))

    def is_large(self, k: int) -> bool:
        """Whether a stand-in saves work."""
        return 2 * stand_in_width(k) <= min(self.X.shape) and self.X.shape[0] * self.X.shape[1] >= LARGE


class CoupledNMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Coupled non-negative matrix factorization.

    Finds non-negative F (n_samples, k), shared by all blocks, and H_b (k, n_features_b), one a block, that minimize
    J = Σ_b α_b ‖X_b − F H_b‖²_F.

    Parameters
    ----------
    n_components : int, default=10
        The rank k.
    blocks : mapping of str to int, sequence of int, or None, default=None
        Columns of each block when X is one 2-D array. None: the array is one block. Not used when X is a ``Blocks``.
    block_weights : mapping of str to float, sequence of float, or None, default=None
        α_b of each block, 1 where not given.
    solver : {'hals', 'mu'}, default='hals'
        How a factor moves: hierarchical alternating least squares, or the paper's multiplicative updates.
    init : {'auto', 'compressed', 'random', 'uniform', 'custom'}, default='auto'
        The start. 'compressed': HALS runs on a low-rank stand-in for X first, from several starts; then on X.
        'random': half-normal, in the scale of X. 'uniform': [0, 1), as in the paper. 'custom': ``F`` and
        ``H`` given to `fit_transform`. 'auto': 'compressed' for 'hals' on large X, else 'random'. HALS starts from H
        alone, unless F is given.
    max_iter : int, default=200
        Most iterations on X; those on a stand-in are not counted.
    tol : float, default=1e-4
        Stop when J falls by less than this part of itself in five iterations, for every solver. Judged by the last
        five; after a compressed start, which ends near the bottom, by the last two. 0: never stop early.
    inner_sweeps : int or None, default=None
        Moves of a factor per product with X. None: 3 for 'hals', 1 for 'mu'.
    extrapolate : bool, default=True
        Extrapolate both factors, with restarts (Ang and Gillis 2019). 'hals' only; 'mu' is never extrapolated.
    backend : {'auto', 'numpy'}, default='auto'
        Where the work runs.
    n_jobs : int or None, default=None
        Threads. None: as many as BLAS may use in this process. The results do not depend on it.
    random_state : int, RandomState or None, default=None
        Seed of the start.
    callbacks : sequence of callable, default=()
        Each is called with an `IterationInfo` after every iteration; one that returns True stops the fit.
    verbose : int, default=0
        Above 0: one line of logging (logger ``coupled_nmf``, level INFO) when the fit ends.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        H, all blocks side by side. Each row has unit norm, and the rows stand in order of falling energy
        ‖F_j‖² ‖H_j‖² at the loop's end, unless the start was custom.
    block_components_ : dict of str to ndarray of shape (n_components, n_features_b)
        H_b: views of ``components_``.
    n_components_ : int
        The rank.
    layout_ : BlockLayout
        Names and columns of the blocks.
    reconstruction_err_ : float
        √J of the returned factors, from residuals.
    rmse_ : float
        √(Σ_b ‖X_b − F H_b‖² / entries of X). The paper does not define its RMSE; this is ours.
    block_rmse_ : dict of str to float
        The same per block.
    block_relative_error_ : dict of str to float
        ‖X_b − F H_b‖² / ‖X_b‖² per block; 0 for a block of zeros.
    objective_history_ : list of float
        J inside the loop after each iteration, from sums. With extrapolation it belongs to the extrapolated point
        that was accepted last, and may rise where the loop restarts; otherwise it never rises.
    n_iter_ : int
        Iterations done.
    block_weights_ : ndarray of shape (n_blocks,)
        α of each block of the fit.
    n_features_in_ : int
        Columns of X.

    References
    ----------
    U. S. Saini, E. E. Papalexakis, "A Peek Into the Hidden Layers of a Convolutional Neural Network Through a
    Factorization Lens", 2018. D. D. Lee, H. S. Seung, "Algorithms for Non-negative Matrix Factorization", 2001.
    A. M. S. Ang, N. Gillis, "Accelerating Nonnegative Matrix Factorization Algorithms Using Extrapolation", 2019.

    Examples
    --------
    >>> from coupled_nmf import CoupledNMF, make_coupled_blocks
    >>> X, _, _ = make_coupled_blocks(100, {"pixels": 30, "conv1": 20}, 3, random_state=0)
    >>> model = CoupledNMF(n_components=3, random_state=0)
    >>> F = model.fit_transform(X)
    >>> F.shape, model.block_components_["conv1"].shape
    ((100, 3), (3, 20))
    >>> bool(model.score(X) > 0.99)
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012  (scikit-learn's form)
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "blocks": [Mapping, "array-like", None],
        "block_weights": [Mapping, "array-like", None],
        "solver": [StrOptions(set(SOLVERS))],
        "init": [StrOptions({"auto", "compressed", "custom", *STARTS})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "inner_sweeps": [Interval(Integral, 1, None, closed="left"), None],
        "extrapolate": ["boolean"],
        "backend": [StrOptions({"auto", *BACKENDS})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "callbacks": ["array-like"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components: int = 10,
        *,
        blocks: Mapping[str, int] | Sequence[int] | None = None,
        block_weights: Mapping[str, float] | Sequence[float] | None = None,
        solver: str = "hals",
        init: str = "auto",
        max_iter: int = 200,
        tol: float = 1e-4,
        inner_sweeps: int | None = None,
        extrapolate: bool = True,
        backend: str = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        callbacks: Sequence[Callback] = (),
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.blocks = blocks
        self.block_weights = block_weights
        self.solver = solver
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.inner_sweeps = inner_sweeps
        self.extrapolate = extrapolate
        self.backend = backend
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, F: Any = None, H: Any = None) -> CoupledNMF:
        """Learn H.

        Parameters
        ----------
        X : Blocks or array-like of shape (n_samples, n_features)
            Not negative, finite. What lies outside memory and has ``shape``, ``dtype`` and slices of rows (memory
            maps, HDF5, Zarr) is read tile by tile, also as a block of Blocks.
        y : None, default=None
            Ignored.
        F, H : array-like of shape (n_samples, n_components) and (n_components, n_features), default=None
            The start when ``init='custom'``; HALS needs H alone.

        Returns
        -------
        self : CoupledNMF
        """
        self.fit_transform(X, F=F, H=H)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None, F: Any = None, H: Any = None) -> NDArray[Any]:
        """Learn H and return F; equal to ``fit(X).transform(X)``.

        Parameters and errors are those of `fit`.

        Returns
        -------
        F : ndarray of shape (n_samples, n_components)
        """
        matrix = read_X(self, X, reset=True)
        with self._open_backend() as backend:
            return self._fit(self._prepare(matrix, backend), F, H)

    def transform(self, X: Any) -> NDArray[Any]:
        """Solve for F given H: non-negative least squares from a cold start.

        Parameters
        ----------
        X : Blocks or array-like of shape (n_samples, n_features)
            With the blocks of the fit; a ``Blocks`` may hold some of them, F is then found from those.

        Returns
        -------
        F : ndarray of shape (n_samples, n_components)
        """
        return self._transform(X)[0]

    def score(self, X: Any, y: Any = None) -> float:
        """Explained part of X: 1 − J/‖X‖², higher is better; 1 for X of zeros.

        Rows that the fit has not seen get their own F, so more components never look worse: to choose the rank,
        hold out entries and not only rows.
        """
        _, alpha, residual, squares = self._transform(X)
        weighted = float(alpha @ squares)
        return 1.0 - float(alpha @ residual) / weighted if weighted > 0 else 1.0

    def inverse_transform(self, F: Any, *, block: str | None = None) -> Any:
        """F H: X as the model sees it.

        Parameters
        ----------
        F : array-like of shape (n_samples, n_components)
            What `transform` returns.
        block : str, default=None
            Name of the one block to reconstruct.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or (n_samples, n_features_b), or Blocks
            Blocks if the fit saw Blocks and ``block`` is None.
        """
        check_is_fitted(self)
        F = check_array(F, dtype=[np.float64, np.float32])
        if F.shape[1] != self.n_components_:
            raise ValueError(f"F has {F.shape[1]} columns; the model has {self.n_components_} components.")
        if block is not None:
            if block not in self.layout_.slices:
                raise ValueError(f"unknown block {block!r}; the blocks are {list(self.layout_.names)}.")
            return F @ self.block_components_[block]
        if self.fitted_on_blocks_:
            return Blocks({name: F @ components for name, components in self.block_components_.items()})
        return F @ self.components_

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one ``.npz`` file, without pickle. Callbacks are not kept."""
        check_is_fitted(self)
        save_model(self, path)

    @classmethod
    def load(cls, path: str | Path) -> CoupledNMF:
        """Read a model that `save` wrote. Raises ValueError for a file that is not one."""
        return load_model(cls, path)

    @property
    def block_components_(self) -> dict[str, NDArray[Any]]:
        """H_b of each block: views of ``components_``."""
        return self.layout_.split(self.components_)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _open_backend(self) -> Any:
        return BACKENDS["numpy" if self.backend == "auto" else self.backend](self.n_jobs)

    def _prepare(self, X: TiledMatrix, backend: Any) -> Prepared:
        scan = Scan(X, lambda tile, rows: refuse_entries(self, X, tile, rows))
        squares, total = backend.sweep(X, scan)
        return Prepared(X, backend, X.layout.weights(self.block_weights), squares, float(total[0]))

    def _fit(self, data: Prepared, F: Any, H: Any, stand_in: StandIn | None = None) -> NDArray[Any]:
        """Learn H from checked data and return F; ``stand_in`` is one that was made before."""
        converged = self._alternate(data, F, H, stand_in)
        self.block_weights_ = data.alpha
        found, residual = self._solve(data.X, data.backend, self.components_, data.alpha)
        if self.verbose:
            LOGGER.info("%s: %d iterations, J %.6g", self, self.n_iter_, float(data.alpha @ residual))
        self._record_errors(data, residual)
        if self.tol > 0 and not converged and self.n_iter_ == self.max_iter:
            warnings.warn(
                f"CoupledNMF stopped at max_iter={self.max_iter} before J settled to tol={self.tol}; raise max_iter.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return found

    def _alternate(self, data: Prepared, F: Any, H: Any, stand_in: StandIn | None) -> bool:
        """Learn H; return whether J settled. What the loop needed beside H is free at the end."""
        solver = SOLVERS[self.solver]
        rule = solver.rule(self.inner_sweeps or solver.default_sweeps)
        extrapolated = self.extrapolate and solver.extrapolates
        F, H, kind = self._start(data, rule, extrapolated, F, H, stand_in)
        loop = Alternation(data.reading, data.backend, rule, extrapolated=extrapolated).run(
            F,
            H,
            max_iter=self.max_iter,
            tol=self.tol,
            callbacks=self.callbacks,
            first_solver=solver.rule(FIRST_SWEEPS) if kind == "cold" else None,
            window=WARM_WINDOW if kind == "warm" else WINDOW,
        )
        self._keep(loop)
        return loop.converged

    def _start(
        self, data: Prepared, rule: Any, extrapolated: bool, F: Any, H: Any, stand_in: StandIn | None
    ) -> tuple[NDArray[Any], NDArray[Any], str]:
        """F and H, and whether F is 'cold' (zero, to be found from H), 'given', or 'warm' (near the end already)."""
        X, k, from_h = data.X, self.n_components, SOLVERS[self.solver].starts_from_h
        if self.init == "custom":
            return *self._custom_start(X, F, H, from_h), "given" if F is not None else "cold"
        if F is not None or H is not None:
            raise ValueError(f"F and H are given but init={self.init!r}; a start of your own needs init='custom'.")
        if self.init == "compressed" and not from_h:
            raise ValueError(f"init='compressed' needs solver='hals', got {self.solver!r}: the stand-in is signed.")
        rng = check_random_state(self.random_state)
        compressed = self._starts_compressed(data)
        if compressed:
            stand_in = stand_in or find_stand_in(X, data.backend, data.column_weights, k, rng)
        if compressed and stand_in is not None:
            start = start_on_stand_in(stand_in, data.backend, rule, k, rng, extrapolated=extrapolated)
            return start.F, unweigh(np.ascontiguousarray(start.H.T), data.column_weights), "warm"
        draw = STARTS["uniform" if self.init == "uniform" else "random"]
        F, H = draw(rng, X.shape, k, X.dtype, data.mean)
        if from_h:
            F[:] = 0
        return F, H, "cold" if from_h else "given"

    def _starts_compressed(self, data: Prepared) -> bool:
        """Whether the start is to be found on a low-rank stand-in; X of zeros has none."""
        wanted = self.init == "compressed"
        if self.init == "auto":
            wanted = SOLVERS[self.solver].starts_from_h and data.is_large(self.n_components)
        return wanted and data.reading.weighted_squares > 0

    def _custom_start(self, X: TiledMatrix, F: Any, H: Any, from_h: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        k = self.n_components
        if H is None or (F is None and not from_h):
            needed = "H" if from_h else "F and H"
            raise ValueError(f"init='custom' with solver={self.solver!r} needs {needed}: pass them to fit_transform.")
        H = check_custom("H", H, (k, X.shape[1]), X.dtype)
        if F is None:
            return np.zeros((X.shape[0], k), dtype=X.dtype), H
        return check_custom("F", F, (X.shape[0], k), X.dtype), H

    def _keep(self, loop: LoopResult) -> None:
        """Keep H: rows of unit norm in order of falling energy, unless the start was the user's own."""
        H = loop.H
        if self.init != "custom":
            norms = np.sqrt(np.einsum("ij,ij->i", H, H, dtype=np.float64))
            energy = np.einsum("ij,ij->j", loop.F, loop.F, dtype=np.float64) * norms**2
            H = (H / np.where(norms > 0, norms, 1.0).astype(H.dtype)[:, None])[np.argsort(-energy, kind="stable")]
        self.components_ = H
        self.n_components_ = self.n_components
        self.objective_history_, self.n_iter_ = loop.history, loop.n_iter

    def _record_errors(self, data: Prepared, residual: NDArray[np.float64]) -> None:
        n, layout = data.X.shape[0], self.layout_
        self.reconstruction_err_ = float(np.sqrt(data.alpha @ residual))
        self.rmse_ = root_mean_square(residual.sum(), n * layout.n_features)
        self.block_rmse_ = {
            name: root_mean_square(r, n * size)
            for name, size, r in zip(layout.names, layout.sizes, residual, strict=True)
        }
        self.block_relative_error_ = {
            name: float(r / s) if s > 0 else 0.0
            for name, r, s in zip(layout.names, residual, data.squares, strict=True)
        }

    def _transform(self, X: Any) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """F, and per block of X: the weight, the squares of the residual, and those of X."""
        check_is_fitted(self, "components_")
        matrix = read_X(self, X, reset=False)
        layout: BlockLayout = self.layout_
        alpha = np.asarray(self.block_weights_)
        H = self.components_.astype(matrix.dtype, copy=False)
        if matrix.layout != layout:
            H = np.ascontiguousarray(H[:, layout.columns_of(matrix.layout.names)])
            alpha = alpha[[layout.names.index(name) for name in matrix.layout.names]]
            if not alpha.any():
                raise ValueError(
                    f"X has blocks {list(matrix.layout.names)}, whose block_weights are all 0; add another."
                )
        with self._open_backend() as backend:
            scan = Scan(matrix, lambda tile, rows: refuse_entries(self, matrix, tile, rows))
            squares, _ = backend.sweep(matrix, scan)
            F, residual = self._solve(matrix, backend, H, alpha)
        return F, alpha, residual, squares

    def _solve(
        self, X: TiledMatrix, backend: Any, H: NDArray[Any], alpha: NDArray[np.float64]
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """F for the given H, and the residual's squares per block."""
        F = np.empty((X.shape[0], H.shape[0]), dtype=X.dtype)
        step = SolveF(X, np.ascontiguousarray(H), *_weigh(H, np.repeat(alpha, X.layout.sizes)), F)
        (residual,) = backend.sweep(X, step)
        return F, residual


def _weigh(H: NDArray[Any], column_weights: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """α⊙H and H(α⊙H)ᵀ, summed in float64."""
    H64 = H.astype(np.float64)
    weighted = H64 * column_weights
    return weighted.astype(H.dtype), (weighted @ H64.T).astype(H.dtype)
