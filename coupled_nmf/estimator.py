"""The estimator: parameters, checks, fit, transform, inverse_transform, score."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

from coupled_nmf.alternation import FIRST_SWEEPS, WINDOW, Alternation, Callback
from coupled_nmf.backends import BACKENDS
from coupled_nmf.blocks import BlockLayout, Blocks, TiledMatrix, balanced_weights
from coupled_nmf.checks import read_X, refuse_entries
from coupled_nmf.lowrank import StandIn
from coupled_nmf.objective import root_mean_square
from coupled_nmf.persistence import load_model, save_model
from coupled_nmf.solvers import SOLVERS
from coupled_nmf.starts import INITS, Plan, Prepared, Start, find_start, shared_stand_in
from coupled_nmf.steps import Scan, SolveF

WARM_WINDOW = 2  # iterations over which the fall of J is looked at after a compressed start

LOGGER = logging.getLogger("coupled_nmf")


@dataclass(frozen=True)
class Fit:
    """What one start led to: H, the F solved for it, the squares of the residual per block, and how the loop went."""

    H: NDArray[Any]
    F: NDArray[Any]
    residual: NDArray[np.float64]
    history: list[float]
    n_iter: int
    converged: bool
    stopped: bool


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
    block_weights : mapping of str to float, sequence of float, 'balanced' or None, default=None
        α_b of each block, 1 where not given. 'balanced': inverse to ‖X_b‖², so that each block counts the same; they
        average to 1 over the squares, so that J keeps the scale of ‖X‖², and a block of zeros gets 1.
    solver : {'hals', 'mu'}, default='hals'
        How a factor moves: hierarchical alternating least squares, or the paper's multiplicative updates.
    init : {'auto', 'compressed', 'random', 'uniform', 'nndsvd', 'nndsvda', 'custom'}, default='auto'
        The start. 'compressed': HALS runs on a low-rank stand-in for X first, from several starts; then on X.
        'random': half-normal, in the scale of X. 'uniform': [0, 1), as in the paper. 'nndsvd': from the leading
        singular vectors of X, with zeros where they have the wrong sign; 'nndsvda': with the mean of X there (X of too
        small a rank starts at 'random'). 'custom': ``F`` and ``H`` given to `fit_transform`. 'auto': 'compressed' for
        'hals' on large X, else 'random'. HALS starts from H alone, unless F is given.
    n_init : int, default=1
        Starts, of which the one that ends at the lowest J is kept.
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
        Each is called with an `IterationInfo` after every iteration; one that returns True stops the fit, and the
        starts that are left.
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
        J inside the loop after each iteration, from sums: good to about 1e-7 ‖X‖² in float32 and 1e-15 ‖X‖² in
        float64. With extrapolation it belongs to the extrapolated point that was accepted last, and may rise where the
        loop restarts; otherwise it never rises but for that rounding.
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
        "block_weights": [Mapping, "array-like", StrOptions({"balanced"}), None],
        "solver": [StrOptions(set(SOLVERS))],
        "init": [StrOptions(INITS)],
        "n_init": [Interval(Integral, 1, None, closed="left")],
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
        block_weights: Mapping[str, float] | Sequence[float] | str | None = None,
        solver: str = "hals",
        init: str = "auto",
        n_init: int = 1,
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
        self.n_init = n_init
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
        weights = self.block_weights
        alpha = balanced_weights(squares) if isinstance(weights, str) else X.layout.weights(weights)
        return Prepared(X, backend, alpha, squares, float(total[0]))

    def _plan(self) -> Plan:
        return Plan(self.n_components, self.init, self.solver, self.inner_sweeps, self.extrapolate)

    def _fit(self, data: Prepared, F: Any, H: Any, stand_in: StandIn | None = None) -> NDArray[Any]:
        """Learn H from checked data and return F; ``stand_in`` is one that was made before."""
        plan = self._plan()
        plan.refuse(data, F, H, self.n_init)
        rng = check_random_state(self.random_state)
        held = [shared_stand_in(data, plan, rng) if stand_in is None else stand_in]
        best: Fit | None = None
        for left in reversed(range(self.n_init)):  # the last start takes the stand-in, which is then free
            found = self._fit_from(data, plan, find_start(data, plan, rng, F, H, held[0] if left else held.pop()))
            if best is None or data.alpha @ found.residual < data.alpha @ best.residual:
                best = found
            if found.stopped:
                break
        assert best is not None
        self._keep(data, best)
        return best.F

    def _fit_from(self, data: Prepared, plan: Plan, start: Start) -> Fit:
        """Alternate from a start, and solve for F. What the loop needed beside H is free by then."""
        loop = Alternation(data.reading, data.backend, plan.rule, extrapolated=plan.extrapolated).run(
            start.F,
            start.H,
            max_iter=self.max_iter,
            tol=self.tol,
            callbacks=self.callbacks,
            first_solver=SOLVERS[plan.solver].rule(FIRST_SWEEPS) if start.kind == "cold" else None,
            window=WARM_WINDOW if start.kind == "warm" else WINDOW,
        )
        H = loop.H if plan.init == "custom" else _sort_components(loop.F, loop.H)
        history, n_iter, converged, stopped = loop.history, loop.n_iter, loop.converged, loop.stopped
        del loop, start
        return Fit(H, *self._solve(data.X, data.backend, H, data.alpha), history, n_iter, converged, stopped)

    def _keep(self, data: Prepared, fit: Fit) -> None:
        """Keep a fit as the model's."""
        self.components_, self.n_components_ = fit.H, self.n_components
        self.objective_history_, self.n_iter_ = fit.history, fit.n_iter
        self.block_weights_ = data.alpha
        self._record_errors(data, fit.residual)
        if self.verbose:
            LOGGER.info("%s: %d iterations, J %.6g", self, fit.n_iter, float(data.alpha @ fit.residual))
        if self.tol > 0 and not fit.converged and fit.n_iter == self.max_iter:
            warnings.warn(
                f"CoupledNMF stopped at max_iter={self.max_iter} before J settled to tol={self.tol}; raise max_iter.",
                ConvergenceWarning,
                stacklevel=4,
            )

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
        F, H = np.empty((X.shape[0], H.shape[0]), dtype=X.dtype), np.ascontiguousarray(H)
        step = SolveF(X, H, *_weigh(H, np.repeat(alpha, X.layout.sizes)), F)
        (residual,) = backend.sweep(X, step)
        return F, residual


def _sort_components(F: NDArray[Any], H: NDArray[Any]) -> NDArray[Any]:
    """H with rows of unit norm, in order of falling energy."""
    norms = np.sqrt(np.einsum("ij,ij->i", H, H, dtype=np.float64))
    energy = np.einsum("ij,ij->j", F, F, dtype=np.float64) * norms**2
    return (H / np.where(norms > 0, norms, 1.0).astype(H.dtype)[:, None])[np.argsort(-energy, kind="stable")]


def _weigh(H: NDArray[Any], column_weights: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """α⊙H and H(α⊙H)ᵀ, summed in float64."""
    H64 = H.astype(np.float64)
    weighted = H64 * column_weights
    return weighted.astype(H.dtype), (weighted @ H64.T).astype(H.dtype)
