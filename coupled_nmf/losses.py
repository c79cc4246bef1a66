"""What is minimized, by name: each reads X for the loop, and solves for F."""

from __future__ import annotations

from typing import Any

from coupled_nmf.frobenius import Frobenius
from coupled_nmf.kullback_leibler import KullbackLeibler

LOSSES: dict[str, Any] = {"frobenius": Frobenius, "kullback-leibler": KullbackLeibler}
