"""Warnings that say of what they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Have the warnings of a block say of what they are, once it is over."""
    with warnings.catch_warnings(record=True) as heard:
        yield
    for warning in heard:
        warnings.warn(f"{what}: {warning.message}", warning.category, stacklevel=3)
