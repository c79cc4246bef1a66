"""What a fitted model does: transform, score, reconstruct, be saved and loaded."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from coupled_nmf.arrays import on_device, refuse_large, to_host
from coupled_nmf.backends import open_backend
from coupled_nmf.blocks import BlockLayout, Blocks
from coupled_nmf.callbacks import CallbackSupportMixin
from coupled_nmf.checks import check_weights, read_X, refuse_entries
from coupled_nmf.frobenius import Solution
from coupled_nmf.losses import LOSSES
from coupled_nmf.persistence import load_model, save_model
from coupled_nmf.plan import Plan
from coupled_nmf.prepared import Prepared, prepare
from coupled_nmf.tiled import TiledMatrix


class Model(CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A factorization that is fitted; `CoupledNMF` has the parameters, and learns."""

    components_: NDArray[Any]
    n_components_: int
    layout_: BlockLayout
    fitted_on_blocks_: bool
    block_weights_: NDArray[np.float64]

    def transform(self, X: Any) -> NDArray[Any]:
        """Solve for F given H, from a cold start: non-negative least squares, or the same for the other loss.

        Parameters
        ----------
        X : Blocks or array-like of shape (n_samples, n_features)
            With the blocks of the fit, or a ``Blocks`` of some of them: F is found from the entries that are there.

        Returns
        -------
        F : ndarray of shape (n_samples, n_components)
            Zero for a sample of which nothing is observed.
        """
        return self._transform(X)[0].F

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Explained part of X: 1 − J/‖X‖², higher is better; 1 for X of zeros, or of gaps alone.

        For Kullback–Leibler, 1 − J/J₀ with J₀ that of each block's mean: the explained deviance. Entries above 0 in
        columns that the fit saw as zeros make J infinite; each counts as if F H were 1e-300 there.

        Rows that the fit has not seen get their own F, so more components never look worse: to choose the rank,
        hold out entries and not only rows (`BiCrossValidation`, `holdout_entries`).
        """
        solution, alpha = self._transform(X, sample_weight)
        nothing = float(alpha @ solution.baseline)
        return 1.0 - float(alpha @ solution.losses) / nothing if nothing > 0 else 1.0

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
        F = self._beside_components(F)
        if F.shape[1] != self.n_components_:
            raise ValueError(f"F has {F.shape[1]} columns; the model has {self.n_components_} components.")
        if block is not None:
            if block not in self.layout_.slices:
                raise ValueError(f"unknown block {block!r}; the blocks are {list(self.layout_.names)}.")
            return F @ self.block_components_[block]
        if self.fitted_on_blocks_:
            return Blocks({name: F @ components for name, components in self.block_components_.items()})
        return F @ self.components_

    def _beside_components(self, F: Any) -> Any:
        """F checked, and where the components are."""
        there = on_device(self.components_)
        if on_device(F) and there and F.ndim == 2:
            return F
        F = check_array(to_host(F), dtype=[np.float64, np.float32])
        return importlib.import_module("cupy").asarray(F) if there else F

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one ``.npz`` file, without pickle. Callbacks are not kept."""
        check_is_fitted(self)
        save_model(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Any:
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
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """What was learned before stands again after an error: a fit that fails leaves the model as it was."""
        before = {name: value for name, value in vars(self).items() if name.endswith("_")}
        stream = vars(self).get("_stream")
        try:
            yield
        except BaseException:
            for name in [name for name in vars(self) if name.endswith("_")]:
                delattr(self, name)
            self.__dict__.update(before, _stream=stream)
            raise

    def _open_backend(self, X: TiledMatrix) -> Any:
        return open_backend(self.backend, X, int(self.n_components), self.n_jobs, self.precision)

    def _prepare(
        self,
        X: TiledMatrix,
        backend: Any,
        sample_weight: Any = None,
        block_weights: Any = None,
        *,
        learns: bool = True,
    ) -> Prepared:
        """Look at X once; the block weights are the parameter's, or those of an earlier fit."""

        def refuse(tile: Any, rows: slice) -> None:
            refuse_entries(self, X, tile, rows)

        weights = check_weights(sample_weight, X.shape[0])
        chosen = self.block_weights if block_weights is None else block_weights
        by_totals = LOSSES[self.beta_loss].grows_with_totals
        return prepare(X, backend, refuse, block_weights=chosen, weights=weights, by_totals=by_totals, learns=learns)

    def _plan(self) -> Plan:
        return Plan(
            int(self.n_components), self.init, self.solver, self.inner_sweeps, self.extrapolate, self.beta_loss,
            self.alpha_F, self.alpha_H, self.l1_ratio,
        )  # fmt: skip

    def _transform(self, X: Any, sample_weight: Any = None) -> tuple[Solution, NDArray[np.float64]]:
        """F and what is left, and the weight of each block of X."""
        check_is_fitted(self, "components_")
        matrix = read_X(self, X, reset=False)
        layout, alpha = self.layout_, np.asarray(self.block_weights_)
        H = to_host(self.components_)
        refuse_large("components_", H, matrix.dtype)
        H = H.astype(matrix.dtype, copy=False)
        if matrix.layout != layout:
            names = matrix.layout.names
            H = H[:, layout.columns_of(names)]
            alpha = alpha[[layout.names.index(name) for name in names]]
            if not alpha.any():
                raise ValueError(f"X has blocks {list(names)}, whose block_weights are all 0; add another.")
        with self._open_backend(matrix) as backend:
            data = self._prepare(matrix, backend, sample_weight, alpha, learns=False)
            plan = replace(self._plan(), alpha_H=0.0)  # H does not move, and X may lack blocks that it names
            solution = plan.reading(data).solve(H)
            return replace(solution, F=backend.give(solution.F)), alpha
