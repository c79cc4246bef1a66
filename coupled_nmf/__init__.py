"""Coupled non-negative matrix factorization: several blocks of features, one shared factor for the samples."""

from coupled_nmf.data.blocks import BlockLayout, Blocks
from coupled_nmf.data.planted import make_coupled_blocks
from coupled_nmf.fit.loop import IterationInfo
from coupled_nmf.model.estimator import CoupledNMF
from coupled_nmf.model_selection import (
    BiCrossValidation,
    Holdout,
    HoldoutFit,
    RankFit,
    RankPath,
    RankStability,
    Stability,
    holdout_entries,
    rank_path,
    stability,
)
from coupled_nmf.plotting import ComponentsDisplay, ConvergenceDisplay, RankCurveDisplay, StabilityDisplay
from coupled_nmf.system.files import atomic_open

__version__ = "0.1.0"

__all__ = [
    "BiCrossValidation",
    "BlockLayout",
    "Blocks",
    "ComponentsDisplay",
    "ConvergenceDisplay",
    "CoupledNMF",
    "Holdout",
    "HoldoutFit",
    "IterationInfo",
    "RankCurveDisplay",
    "RankFit",
    "RankPath",
    "RankStability",
    "Stability",
    "StabilityDisplay",
    "atomic_open",
    "holdout_entries",
    "make_coupled_blocks",
    "rank_path",
    "stability",
]
