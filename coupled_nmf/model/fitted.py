"""What a fitted model does: transform, score, reconstruct, be saved and loaded."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_array, check_is_fitted

from coupled_nmf.data.arrays import on_device, refuse_gradient, to_host
from coupled_nmf.data.blocks import Blocks
from coupled_nmf.data.checks import read_X
from coupled_nmf.data.containers import check_block
from coupled_nmf.fit.batches import Stream
from coupled_nmf.fit.session import Session
from coupled_nmf.model.known_components import learned_from
from coupled_nmf.model.learning import Learning, learned_of_blocks
from coupled_nmf.model.sessions import parameters_of, session_of
from coupled_nmf.model.sklearn_callbacks import CallbackSupportMixin
from coupled_nmf.problem.contracts import Solution
from coupled_nmf.problem.control import NOISE
from coupled_nmf.problem.sample_weights import check_weights


class FittedModel(Learning, CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A factorization that is fitted; `CoupledNMF` has the parameters, and learns."""

    fitted_on_blocks_: bool
    reconstruction_err_: float
    rmse_: float
    block_rmse_: dict[str, float]
    block_relative_error_: dict[str, float]
    objective_history_: list[float]
    n_iter_: int
    n_steps_: int
    n_features_in_: int
    block_feature_names_: dict[str, tuple[str, ...]]
    _stream: Stream | None

    def transform(self, X: Any) -> NDArray[Any]:
        """Solve for F given H, from a cold start: non-negative least squares, or the same for the other loss.

        A sample of fewer observed entries than components has many solutions that fit it as well. Of least squares
        without an L2 penalty on F the smallest is then found, by a small ridge: 1e-10 of the largest entry of
        Σ_b α_b H_b H_bᵀ in float64, 1e-4 in float32, by which such a sample is fitted a little less closely than it
        could be.

        Parameters
        ----------
        X : Blocks or array-like of shape (n_samples, n_features)
            With the blocks of the fit, or a ``Blocks`` of some of them: F is found from the entries that are there.

        Returns
        -------
        F : ndarray of shape (n_samples, n_components)
            Zero for a sample of which nothing is observed. After ``set_output(transform="pandas")`` a DataFrame, with
            the index of the samples, also of those of Blocks.

        Raises
        ------
        ValueError
            If X, or a parameter that was set since the fit, cannot be.
        """
        return self._labelled(self._now()._transform(X).solution.F, X)

    def _labelled(self, F: Any, X: Any) -> Any:
        """F for scikit-learn to make a DataFrame of, which knows the labels of no Blocks, and no device."""
        wanted = _get_output_config("transform", self)["dense"] if hasattr(self, "set_output") else "default"
        if wanted == "default":
            return F
        index = X.index if isinstance(X, Blocks) else None
        if wanted != "pandas" or index is None:
            return to_host(F)
        return importlib.import_module("pandas").DataFrame(to_host(F), index=index, copy=False)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Explained part of X: 1 − J/‖X‖², higher is better; 1 for X of zeros, or of gaps alone.

        For Kullback–Leibler, 1 − J/J₀ with J₀ that of each block's mean: the explained deviance. Of blocks that are
        constant it is 1 if J is 0 but for rounding, else 0. Entries above 0 in columns that the fit saw as zeros make J
        infinite; each counts as if F H were 1e-300 there.

        Rows that the fit has not seen get their own F, so more components never look worse: to choose the rank,
        hold out entries and not only rows (`BiCrossValidation`, `holdout_entries`).
        """
        found = self._now()._transform(X, sample_weight)
        lost, nothing = float(found.alpha @ found.solution.losses), float(found.alpha @ found.solution.baseline)
        return 1.0 - lost / nothing if nothing > 0 else float(lost <= found.rounding)

    def inverse_transform(self, X: Any, *, block: str | None = None) -> Any:
        """F H: the data as the model sees them.

        Parameters
        ----------
        X : array-like or sparse array of shape (n_samples, n_components)
            F, what `transform` returns; scikit-learn names it so.
        block : str, default=None
            Name of the one block to reconstruct.

        Returns
        -------
        X : array of shape (n_samples, n_features) or (n_samples, n_features_b), or Blocks
            Blocks if the fit saw Blocks and ``block`` is None; with the index of F, if that is a DataFrame. Of a Dask
            array Dask arrays, of which nothing is computed yet, nor looked at.
        """
        model = self._now()
        check_is_fitted(model)
        index = X.index if hasattr(X, "iloc") else None
        F = model._beside_components(X)
        if F.shape[1] != model.n_components_:
            raise ValueError(f"X has {F.shape[1]} columns; the model has {model.n_components_} components.")
        if block is not None:
            if block not in model.layout_.slices:
                raise ValueError(f"unknown block {block!r}; the blocks are {list(model.layout_.names)}.")
            return F @ model.block_components_[block]
        if model.fitted_on_blocks_:
            found = Blocks({name: F @ components for name, components in model.block_components_.items()})
            found.index = index
            return found
        return F @ model.components_

    def component_shares(self, X: Any, sample_weight: Any = None) -> dict[str, NDArray[np.float64]]:
        """How much of each block's squares every component explains.

        Of block b, component j explains (2 ⟨X_b, F_j H_bj⟩ − ⟨F_j H_bj, (F H)_b⟩) / ‖X_b‖² over the observed entries,
        for F as `transform` finds it. Over the components that adds up to 1 − ‖X_b − F H_b‖² / ‖X_b‖², whatever the
        loss that was minimized. A component that overshoots a block may explain less than nothing of it.

        Parameters
        ----------
        X : Blocks or array-like of shape (n_samples, n_features)
            As for `transform`: it may be outside memory, and lack blocks.
        sample_weight : array-like of shape (n_samples,), default=None
            Each sample's squares are multiplied by it. None: 1.

        Returns
        -------
        shares : dict of str to ndarray of shape (n_components,)
            One a block of X; zeros for a block in which nothing is observed but zeros. ``pandas.DataFrame(shares)`` is
            the table.

        Raises
        ------
        ValueError
            If X or ``sample_weight`` cannot be.

        Examples
        --------
        >>> from coupled_nmf import CoupledNMF, make_coupled_blocks
        >>> X, _, _ = make_coupled_blocks(100, {"rna": 30, "atac": 20}, 3, noise=0.1, random_state=0)
        >>> model = CoupledNMF(n_components=3, random_state=0).fit(X)
        >>> shares = model.component_shares(X)
        >>> shares["rna"].shape, bool(shares["rna"].sum() > 0.9)
        ((3,), True)
        """
        model = self._now()
        check_is_fitted(model, "components_")
        with model._solved(X) as (session, found):
            matrix = session.problem.X
            weights = check_weights(sample_weight, matrix.shape[0])
            H = to_host(model.components_)[:, model.layout_.columns_of(matrix.layout.names)]
            return session.backend.component_shares(matrix, found.solution.F, H, weights)

    def set_components(self, components: Any) -> Self:
        """Make this a model that is fitted with components that are known, without data.

        It can then do what a fitted model can: `transform`, `score`, `inverse_transform` and `save`; `partial_fit`, and
        `fit` with ``warm_start``, go on from these components. What belongs to an earlier fit, as its errors, is gone.

        Parameters
        ----------
        components : array-like of shape (n_components, n_features), or mapping of str to array-like
            H: one array, whose columns divide as ``blocks`` says; or one of shape (n_components, n_features_b) for each
            block (or a DataFrame of two-level columns), and the model is as one that was fitted on ``Blocks``. Finite,
            and not negative. They are copied, in float32 if they are, else in float64, and stay in this order and
            scale. Names of the columns of DataFrames are kept, and compared with those of X.

        Returns
        -------
        self : CoupledNMF

        Raises
        ------
        ValueError
            If components are no such arrays, or do not have ``n_components`` rows, or do not begin with
            ``fixed_components``; or if ``block_weights`` is 'balanced', which goes by data.

        Examples
        --------
        >>> import numpy as np
        >>> from coupled_nmf import CoupledNMF
        >>> model = CoupledNMF(n_components=2).set_components({"a": [[1, 0], [0, 1]], "b": [[2], [0]]})
        >>> model.inverse_transform(np.array([[1, 3]]), block="b")
        array([[2.]])
        """
        self._validate_params()
        learned = learned_from(self, components)
        self._adopt(learned)
        return self

    def _beside_components(self, F: Any) -> Any:
        """F checked, and where the components are; of Dask's as it is, yet to be made."""
        if hasattr(F, "dask") and hasattr(F, "chunks"):
            return check_block("X", F)
        refuse_gradient("X", F)
        there = on_device(self.components_)
        if on_device(F) and there and F.ndim == 2:
            return F
        F = check_array(to_host(F), accept_sparse="csr", dtype=[np.float64, np.float32])
        if there:
            return importlib.import_module("cupy").asarray(F.toarray() if issparse(F) else F)
        return F

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one ``.npz`` file, without pickle. Callbacks are not kept.

        What was at ``path`` stays until all is written, and for good after an error, a kill or a full disk.

        Parameters
        ----------
        path : str or Path
            The file, in a folder that is there.

        Raises
        ------
        ValueError or TypeError
            If a parameter is what no file keeps, or the attributes were changed and do not go together.
        OSError
            If the file cannot be written.
        """
        model = self._now()
        check_is_fitted(model, "components_")
        _persistence().save_model(model, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model that `save` wrote, in this version or an earlier one.

        The file is not trusted: its parts are checked against each other, and all of them against a digest, which
        finds damage, though nobody who means to deceive; nothing in it is run.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        model : CoupledNMF

        Raises
        ------
        ValueError
            If the file is no model, or is damaged: names it, and says what is wrong.
        OSError
            If the file is not there, or cannot be read.
        """
        model: Self = _persistence().load_model(cls, path)
        return model

    @property
    def block_components_(self) -> dict[str, NDArray[Any]]:
        """H_b of each block: views of ``components_``."""
        check_is_fitted(self)
        return self.layout_.split(self.components_)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _transform(self, X: Any, sample_weight: Any = None) -> Transformed:
        """F, where X is, and what is left, of a model that nobody else changes."""
        with self._solved(X, sample_weight) as (session, found):
            return found._replace(solution=replace(found.solution, F=session.backend.give(found.solution.F)))

    @contextmanager
    def _solved(self, X: Any, sample_weight: Any = None) -> Iterator[tuple[Session, Transformed]]:
        """The session on X in which F was found, which its backend still holds, and what is left."""
        check_is_fitted(self, "components_")
        self._validate_params()
        matrix = read_X(self, X, reset=False)
        H, alpha = learned_of_blocks(self, matrix)
        with session_of(self, matrix, sample_weight, alpha, learns=False) as session:
            # H does not move, and X may lack blocks that alpha_H names
            objective = session.objective(replace(parameters_of(self), alpha_H=0.0))
            rounding = NOISE[matrix.dtype.char] * objective.weighted_squares
            yield session, Transformed(objective.solve(H), alpha, rounding)


class Transformed(NamedTuple):
    """F and what is left, the weight of each block of X, and the J that is nothing but rounding."""

    solution: Solution
    alpha: NDArray[np.float64]
    rounding: float


def _persistence() -> Any:
    """What reads and writes models, loaded where it is asked for: most processes only fit."""
    return importlib.import_module("coupled_nmf.model.persistence")
