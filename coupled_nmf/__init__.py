"""Coupled non-negative matrix factorization: several blocks of features, one shared factor for the samples."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coupled_nmf.data.blocks import BlockLayout, Blocks
    from coupled_nmf.data.planted import make_coupled_blocks
    from coupled_nmf.fit.loop import IterationInfo
    from coupled_nmf.model.estimator import CoupledNMF
    from coupled_nmf.model_selection.bicross import BiCrossValidation
    from coupled_nmf.model_selection.holdout import Holdout, HoldoutFit, holdout_entries
    from coupled_nmf.model_selection.rank_path import RankFit, RankPath, rank_path
    from coupled_nmf.model_selection.stability import RankStability, Stability, stability
    from coupled_nmf.plotting import ComponentsDisplay, ConvergenceDisplay, RankCurveDisplay, StabilityDisplay
    from coupled_nmf.system.files import atomic_open

__version__ = "0.2.0"

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

# Where each is, loaded when it is first asked for: what only fits does not wait for what chooses ranks and draws.
_HOMES = {
    "BlockLayout": "coupled_nmf.data.blocks",
    "Blocks": "coupled_nmf.data.blocks",
    "CoupledNMF": "coupled_nmf.model.estimator",
    "IterationInfo": "coupled_nmf.fit.loop",
    "atomic_open": "coupled_nmf.system.files",
    "make_coupled_blocks": "coupled_nmf.data.planted",
}


def __getattr__(name: str) -> Any:
    """Load what is public when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "coupled_nmf.plotting" if name.endswith("Display") else "coupled_nmf.model_selection"
    found = globals()[name] = getattr(importlib.import_module(_HOMES.get(name, home)), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
