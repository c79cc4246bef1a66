"""Where a sweep runs: one module a backend, chosen by name."""

from coupled_nmf.backends.numpy import NumpyBackend

BACKENDS = {"numpy": NumpyBackend}

__all__ = ["BACKENDS", "NumpyBackend"]
