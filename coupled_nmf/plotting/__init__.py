"""Displays in scikit-learn's manner: models and arrays in, one figure out. matplotlib is imported when one is drawn."""

from coupled_nmf.plotting.components import ComponentsDisplay
from coupled_nmf.plotting.convergence import ConvergenceDisplay
from coupled_nmf.plotting.rank_curve import RankCurveDisplay
from coupled_nmf.plotting.stability import StabilityDisplay

__all__ = ["ComponentsDisplay", "ConvergenceDisplay", "RankCurveDisplay", "StabilityDisplay"]
