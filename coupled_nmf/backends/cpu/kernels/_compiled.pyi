"""The compiled module: see module.cpp, and what bind_*.cpp define."""

from typing import Any

def __getattr__(name: str) -> Any: ...
