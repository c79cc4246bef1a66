"""The estimator: its parameters, and how it learns."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from coupled_nmf.backends.choice import BACKENDS, PRECISIONS
from coupled_nmf.data.checks import learned_of_X, read_X
from coupled_nmf.fit.batches import Stream
from coupled_nmf.fit.loop import Callback
from coupled_nmf.fit.parameters import INITS
from coupled_nmf.model.fitted import FittedModel
from coupled_nmf.model.learning import has_start, learned_components
from coupled_nmf.model.sessions import fit_in, learned_of_batch, session_of, take_over, warn_of_interrupt
from coupled_nmf.model.sklearn_callbacks import tasks_of
from coupled_nmf.problem.coupling import warn_uncoupled
from coupled_nmf.problem.losses import LOSSES
from coupled_nmf.problem.solvers import SOLVERS
from coupled_nmf.system.interrupts import INTERRUPTS

Method = TypeVar("Method", bound=Callable[..., Any])


def checks_parameters(method: Method) -> Method:
    """scikit-learn's decorator, with the type that it lacks: of the method, users would be told none."""
    decorated: Method = _fit_context(prefer_skip_nested_validation=True)(method)
    return decorated


class CoupledNMF(FittedModel):
    """Coupled non-negative matrix factorization.

    Finds non-negative F (n_samples, k), shared by all blocks, and H_b (k, n_features_b), one a block, that minimize
    J = Σ_b α_b ‖X_b − F H_b‖²_F over the entries that there are: NaN is a missing entry, and a sample may lack whole
    blocks.

    Parameters
    ----------
    n_components : int, default=10
        The rank k.
    blocks : mapping of str to int, sequence of int, or None, default=None
        Columns of each block when X is one 2-D array. None: the array is one block. Not used when X is a ``Blocks``.
    block_weights : mapping of str to float, sequence of float, 'balanced' or None, default=None
        α_b of each block, 1 where not given. 'balanced': inverse to ‖X_b‖² (for Kullback–Leibler, to the
        sum of X_b, with which that loss grows), so that each block counts the same; they average to 1 over these, so
        that J keeps its scale, and a block of zeros gets 1.
    solver : {'hals', 'mu'}, default='hals'
        How a factor moves: hierarchical alternating least squares, or the paper's multiplicative updates.
    beta_loss : {'frobenius', 'kullback-leibler'}, default='frobenius'
        What is minimized. 'kullback-leibler', for counts and text, needs ``solver='mu'``; J is then
        2 Σ_b α_b Σ (x log(x / fh) − x + fh), twice scikit-learn's objective, as for the other loss.
    alpha_F : float, default=0.0
        Penalty on F. With l1 = ``alpha_F * l1_ratio`` and l2 = ``alpha_F * (1 - l1_ratio)``,
        n_features (2 l1 ΣF + l2 ΣF²) is added to J, twice what scikit-learn adds to its objective for ``alpha_W``.
    alpha_H : float, mapping of str to float or 'same', default='same'
        Penalty on H, by block if a mapping (0 where not named); n_samples (2 l1 ΣH_b + l2 ΣH_b²) is added to J.
        'same': as ``alpha_F``. F and H can be scaled against each other, so a penalty on one of them alone is evaded
        by making it small and the other large: a warning says so.
    l1_ratio : float, default=0.0
        Part of both penalties that is L1.
    init : {'auto', 'compressed', 'hals', 'random', 'uniform', 'nndsvd', 'nndsvda', 'custom'}, default='auto'
        The start. HALS starts from H alone, unless F is given.

        - 'auto': 'compressed' for 'hals' on X of 2**20 entries or more, without gaps, penalties or fixed components, if
          the stand-in is smaller than X, and promises to save more than it costs, which is at most three times
          ``max_iter`` iterations; 'hals' for Kullback–Leibler without penalties; else 'random'.
        - 'compressed': HALS runs on a low-rank stand-in for X first, then on X.
        - 'hals', for Kullback–Leibler: where HALS, by its own 'auto', ends on X for the Frobenius loss, in at most 40
          iterations; entries below a hundredth of their component's mean are raised to that. Where single entries are
          hundreds of times as large as all others, 'random' may end lower: squares see little else.
        - 'random': H is half-normal, in the scale of X; F is found from it, or, for 'mu', is one number.
        - 'uniform': [0, 1), as in the paper.
        - 'nndsvd': from the leading singular vectors of X, with zeros where they have the wrong sign. X of too small a
          rank starts at 'random'.
        - 'nndsvda': the same with the mean of X in place of these zeros.
        - 'custom': ``F`` and ``H`` given to `fit_transform`.
    fixed_components : array-like of shape (n_fixed, n_features), mapping of str to array-like, or None, default=None
        Components that are known, one array, or one of shape (n_fixed, n_features_b) for each block: they are the first
        of ``components_``, in X's dtype but else just as given, while the others are learned beside them. DataFrames
        whose columns have other names than those of X are refused. Of
        ``n_components`` of them nothing is learned but F: no iteration is done. ``init='custom'`` needs an ``H`` that
        begins with them; ``init='compressed'`` cannot hold any.
    n_init : int, default=1
        Starts, of which the one that ends at the lowest J is kept.
    max_iter : int, default=200
        Most iterations; those that find a start, on X or on a stand-in, are not counted.
    tol : float, default=1e-4
        Stop when J falls by less than this part of itself in five iterations, for every solver. 0: never stop early.
    inner_sweeps : int or None, default=None
        Moves of a factor per product with X. None: 3 for 'hals', 1 for 'mu'.
    extrapolate : bool, default=True
        Extrapolate both factors, with restarts (Ang and Gillis 2019): of 'hals', and of 'mu' under Kullback–Leibler,
        where zeros stay (after Hien, Leplat and Gillis 2024). 'mu' for the Frobenius loss is the paper's, and never is.
    backend : {'auto', 'numpy', 'cupy', 'dask'}, default='auto'
        Where the work runs. 'cupy': on an NVIDIA GPU, the current device of CuPy, to which X is copied, or streamed
        tile by tile if it does not fit. 'auto': there if X is a CuPy array, or has one among its blocks; what is
        returned and ``components_`` then are CuPy arrays too, else NumPy's. The last solve of F under Kullback–Leibler
        runs on the CPU all the same. 'dask': on the workers of the current ``distributed.Client``, each of which
        holds, or reads, its own rows of X and F; 'auto': there if X is a Dask array, or has one among its blocks, and
        there is a client. F is then a Dask array if X is one.
    precision : {'full', 'tf32'}, default='full'
        'tf32': on a GPU, products with X in float32 are made on tensor cores, of numbers that are rounded to 10 bits,
        by up to 0.0005 of each; J inside the loop, too. The last solve of F, and the errors, are in full precision all
        the same.
    n_jobs : int or None, default=None
        Threads. None: as many as BLAS may use in this process. The results do not depend on it.
    random_state : int, RandomState or None, default=None
        Seed of the start.
    warm_start : bool, default=False
        Start `fit` from the components of the last fit, if their shape serves; those that are all zero are drawn anew.
    forget_factor : float, default=0.7
        What `partial_fit` multiplies the sums of the earlier batches by at each new one: 1 forgets nothing, as for
        data that all belong to one set; less follows data that change.
    callbacks : callable, sequence of callable or None, default=()
        Each is called with an `IterationInfo` after every iteration; one that returns True stops the fit, and the
        starts that are left. scikit-learn's own callbacks are set by ``set_callbacks``, where it has them (1.9).
    checkpoint : str, path or None, default=None
        A folder, made if it is not there, in which `fit` keeps how far it has come: from time to time (10 s, or 50
        iterations, at most a twentieth of its time but for the first), and at its end. A fit of the same data and
        parameters (but ``max_iter``, where there is one start, ``n_jobs``, ``verbose`` and callbacks) that was
        interrupted, killed or lost its cluster goes on from there, to the very bits of one that ran through; any other
        begins anew, and says so where it finds others there. It reads X once more, for a digest, holds 2 F and 5 H on
        disk (twice while it writes), and needs a ``random_state`` that is a whole number. With Dask all workers have to
        reach the folder, which may be an address for fsspec, as "s3://bucket/runs". It can be deleted once the model is
        saved.
    verbose : int, default=0
        Above 0: one line of logging (logger ``coupled_nmf``, level INFO) when the fit ends.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        H, all blocks side by side. The rows stand in order of falling energy ‖F_j‖² ‖H_j‖² at the loop's end, and
        each has unit norm unless there are penalties; a custom start keeps its order and scale. Columns that no
        sample has are zero. Those of ``fixed_components`` come first, as they are given.
    block_components_ : dict of str to ndarray of shape (n_components, n_features_b)
        H_b: views of ``components_``.
    n_components_ : int
        The rank.
    layout_ : BlockLayout
        Names and columns of the blocks.
    reconstruction_err_ : float
        √J of the returned factors, without penalties, from residuals; but of sparse X, on the CPU, as a difference of
        sums: there what is below about 1e-8 ‖X‖ is rounding. So are the errors that follow.
    rmse_ : float
        √(Σ_b ‖X_b − F H_b‖² / observed entries of X). The paper does not define its RMSE; this is ours.
    block_rmse_ : dict of str to float
        The same per block; 0 for a block of which nothing is observed.
    block_relative_error_ : dict of str to float
        ‖X_b − F H_b‖² / ‖X_b‖² per block; 0 for a block of zeros.
    objective_history_ : list of float
        J, with penalties, after each iteration. It may rise where the extrapolation of HALS restarts; see Notes.
    n_iter_ : int
        Iterations done.
    n_steps_ : int
        Batches that `partial_fit` has seen since the first or the last `fit`.
    block_weights_ : ndarray of shape (n_blocks,)
        α of each block of the fit.
    n_features_in_ : int
        Columns of X.
    block_feature_names_ : dict of str to tuple of str
        Names of the columns of the blocks that came with names.

    See Also
    --------
    holdout_entries : Which rank predicts entries that it was not shown.
    rank_path : Fits at several ranks and from several starts.
    stability : Which rank comes out again from other starts.
    sklearn.decomposition.NMF : One block, without gaps.

    Notes
    -----
    ``objective_history_`` is taken inside the loop, from sums: it is good to about 1e-6 ‖X‖² in float32 and 1e-14 ‖X‖²
    in float64.

    - With extrapolation it belongs to the extrapolated point that was accepted last, and may rise where the loop
      restarts; otherwise it never rises but for that rounding.
    - Where single entries are missing, it is J and the squares of what the last move of H changed at them.
    - For Kullback–Leibler it is J of the F moved last and the H, or the extrapolated point, that the last move of H
      began at, without the penalties on blocks of weight 0: no less than that of the F and H which the loop then holds,
      and it never rises but for rounding.

    References
    ----------
    U. S. Saini, E. E. Papalexakis, "A Peek Into the Hidden Layers of a Convolutional Neural Network Through a
    Factorization Lens", 2018. D. D. Lee, H. S. Seung, "Algorithms for Non-negative Matrix Factorization", 2001.
    A. M. S. Ang, N. Gillis, "Accelerating Nonnegative Matrix Factorization Algorithms Using Extrapolation", 2019.
    L. T. K. Hien, V. Leplat, N. Gillis, "Block Majorization Minimization with Extrapolation and Application to β-NMF",
    2024.

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
        "beta_loss": [StrOptions(set(LOSSES))],
        "alpha_F": [Interval(Real, 0, None, closed="left")],
        "alpha_H": [Interval(Real, 0, None, closed="left"), Mapping, StrOptions({"same"})],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "init": [StrOptions(INITS)],
        "fixed_components": ["array-like", Mapping, None],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "inner_sweeps": [Interval(Integral, 1, None, closed="left"), None],
        "extrapolate": ["boolean"],
        "backend": [StrOptions({"auto", *BACKENDS})],
        "precision": [StrOptions(set(PRECISIONS))],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "forget_factor": [Interval(Real, 0, 1, closed="both")],
        "callbacks": ["array-like", callable, None],
        "checkpoint": [str, os.PathLike, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components: int = 10,
        *,
        blocks: Mapping[str, int] | Sequence[int] | None = None,
        block_weights: Mapping[str, float] | Sequence[float] | str | None = None,
        solver: str = "hals",
        beta_loss: str = "frobenius",
        alpha_F: float = 0.0,
        alpha_H: float | Mapping[str, float] | str = "same",
        l1_ratio: float = 0.0,
        init: str = "auto",
        fixed_components: Any = None,
        n_init: int = 1,
        max_iter: int = 200,
        tol: float = 1e-4,
        inner_sweeps: int | None = None,
        extrapolate: bool = True,
        backend: str = "auto",
        precision: str = "full",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        forget_factor: float = 0.7,
        callbacks: Sequence[Callback] | Callback | None = (),
        checkpoint: str | os.PathLike[str] | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.blocks = blocks
        self.block_weights = block_weights
        self.solver = solver
        self.beta_loss = beta_loss
        self.alpha_F = alpha_F
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.init = init
        self.fixed_components = fixed_components
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.inner_sweeps = inner_sweeps
        self.extrapolate = extrapolate
        self.backend = backend
        self.precision = precision
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.warm_start = warm_start
        self.forget_factor = forget_factor
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, F: Any = None, H: Any = None) -> Self:
        """Learn H.

        Ctrl-C ends the loop: the model is then fitted to the last whole iteration, with a warning. Before the first
        iteration, and in `rank_path` and what is built on it, it comes out as KeyboardInterrupt; in a search of
        scikit-learn's it ends the one fit that is under way. It is heard between tiles of X; one that
        comes a second later, at once.

        While it learns, the model stays as it was, for callbacks and other threads as well, and changes in one step at
        the end; attributes of their own that callbacks set on it stay. One estimator learns once at a time.

        Parameters
        ----------
        X : Blocks or array-like of shape (n_samples, n_features)
            Not negative; NaN where an entry is missing, as masked ones and ``pd.NA`` are; one or more is there. Arrays,
            SciPy's sparse arrays, DataFrames (two-level columns are blocks), and what lies outside memory and has
            ``shape``, ``dtype`` and slices of rows (memory maps, HDF5, Zarr), which is read tile by tile, also as a
            block of Blocks; several threads may ask for slices at once (``n_jobs=1``: one). A memory map of a file that
            another process cuts meanwhile ends this one, by SIGBUS, as it would end any program; HDF5 and Zarr arrays
            give an error then.
        y : None, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Each sample's terms of J are multiplied by it: to J a weight of 2 is a sample that comes twice. Starts other
            than "random" and "custom" see each sample once, whatever it weighs. None: 1.
        F, H : array-like of shape (n_samples, n_components) and (n_components, n_features), default=None
            The start when ``init='custom'``; HALS needs H alone. H begins with ``fixed_components``, if there are any.

        Returns
        -------
        self : CoupledNMF

        Raises
        ------
        ValueError
            If X, or a parameter, cannot be, or they do not go together; or if X, or its weights, are so large or small
            that products would over- or underflow in its dtype; or if n_components is too large for memory.
        RuntimeError
            If the estimator is learning already, in another thread or since this is one of its callbacks.

        Warns
        -----
        UserWarning
            If blocks share no sample, so that nothing couples them.
        """
        self.fit_transform(X, sample_weight=sample_weight, F=F, H=H)
        return self

    @checks_parameters
    def fit_transform(
        self, X: Any, y: Any = None, sample_weight: Any = None, F: Any = None, H: Any = None
    ) -> NDArray[Any]:
        """Learn H and return F; equal to ``fit(X).transform(X)``.

        Parameters and errors are those of `fit`.

        Returns
        -------
        F : ndarray of shape (n_samples, n_components)
        """
        with self._learning() as model:
            warm = learned_components(model) if self.warm_start and has_start(model) else None
            matrix = read_X(model, X, reset=True)
            model._stream = None
            if warm is None or warm.shape != (self.n_components, matrix.shape[1]) or self.init == "custom":
                warm = None
            with session_of(model, matrix, sample_weight) as session:
                warn_uncoupled(session.problem)
                learned = learned_of_X(model) | {"block_weights_": session.problem.alpha}
                told, end = tasks_of(self, X, self.max_iter * self.n_init, learned)
                fit = fit_in(session, model, F=F, H=H, warm=warm, told=told)
                found = take_over(session, model, fit)
            if INTERRUPTS.take() and not fit.ending.interrupted:  # one that came after the last solve
                warn_of_interrupt(fit)
        end()
        return self._labelled(found, X)

    @checks_parameters
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from one more batch of data that never end.

        The first batch is fitted as by `fit`, and starts H; after a `fit`, its H is the start, and the data that it saw
        count no more. Where H is all zero, as after batches of zeros alone, the next batch is fitted like a first one,
        and a single component of zeros is drawn anew, since neither would ever move.

        Each later batch is solved for F; its sums FᵀX and FᵀF are added to those of the batches before, times
        ``forget_factor``, and H moves by the sum, penalized for as many samples as it stands for. J, the errors and
        ``objective_history_`` are those of the last batch, before H has moved by it: of data that H has not seen.

        Parameters
        ----------
        X : Blocks or array-like of shape (n_samples, n_features)
            The batch; the same blocks in each, of which samples may lack some.
        y : None, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            As for `fit`.

        Returns
        -------
        self : CoupledNMF
        """
        with self._learning() as model:
            first, begun = not has_start(model), hasattr(model, "components_")
            matrix = read_X(model, X, reset=not begun)
            if begun and matrix.layout != model.layout_:
                raise ValueError(
                    f"X has blocks {list(matrix.layout.names)}; a batch has all blocks of the first, "
                    f"{list(model.layout_.names)}, with NaN where they are missing."
                )
            known = None if first else model.block_weights_
            with session_of(model, matrix, sample_weight, known) as session:
                if first:
                    take_over(session, model, fit_in(session, model))
                    before = getattr(model, "_stream", None)  # whose sums belong to components that are gone
                    model._stream = Stream(model.beta_loss, n_batches=before.n_batches if before else 0)
                model.__dict__.update(learned_of_batch(session, model))
        return self
