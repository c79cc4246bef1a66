"""How rows of a factor move, given gram and cross, compiled. Whoever moves a panel finds every rule."""

from coupled_nmf.backends.cpu.kernels.rules import hals, mu

__all__ = ["hals", "mu"]
