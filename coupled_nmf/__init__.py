"""Coupled non-negative matrix factorization: several blocks of features, one shared factor for the samples."""

from coupled_nmf.alternation import IterationInfo
from coupled_nmf.blocks import BlockLayout, Blocks
from coupled_nmf.datasets import make_coupled_blocks
from coupled_nmf.estimator import CoupledNMF
from coupled_nmf.model_selection import RankFit, RankPath, rank_path

__version__ = "0.1.0"

__all__ = [
    "BlockLayout",
    "Blocks",
    "CoupledNMF",
    "IterationInfo",
    "RankFit",
    "RankPath",
    "make_coupled_blocks",
    "rank_path",
]
