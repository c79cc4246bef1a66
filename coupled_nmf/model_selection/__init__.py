"""Choosing the rank: fits over ranks."""

from coupled_nmf.model_selection.rank_path import RankFit, RankPath, rank_path

__all__ = ["RankFit", "RankPath", "rank_path"]
