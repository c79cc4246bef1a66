"""How a factor moves, given gram and cross alone. F and H share this code."""

from coupled_nmf.solvers.hals import HALS
from coupled_nmf.solvers.mu import MultiplicativeUpdate

SOLVERS: dict[str, type[HALS] | type[MultiplicativeUpdate]] = {"hals": HALS, "mu": MultiplicativeUpdate}

__all__ = ["HALS", "SOLVERS", "MultiplicativeUpdate"]
