"""Choosing the rank: fits over ranks, held-out entries, bi-cross-validation, stability of the components."""

from coupled_nmf.model_selection.bicross import BiCrossValidation
from coupled_nmf.model_selection.holdout import Holdout, HoldoutFit, holdout_entries
from coupled_nmf.model_selection.rank_path import RankFit, RankPath, rank_path
from coupled_nmf.model_selection.stability import RankStability, Stability, stability

__all__ = [
    "BiCrossValidation",
    "Holdout",
    "HoldoutFit",
    "RankFit",
    "RankPath",
    "RankStability",
    "Stability",
    "holdout_entries",
    "rank_path",
    "stability",
]
