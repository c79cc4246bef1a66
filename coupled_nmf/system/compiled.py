"""Numba's compiler, with a cache of compiled code that never stands in the way."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numba
from numba.core.caching import FunctionCache

LOGGER = logging.getLogger("coupled_nmf")


def njit(
    *, nogil: bool = True, cache: bool = True, inline: Literal["never", "always"] = "never", fastmath: Any = False
) -> Callable[[Callable[..., Any]], Any]:
    """As Numba's; where compiled code cannot be kept, it is compiled in each process, and one line of logging says so.

    No warning: these are errors in some programs, and an import must not die of one.
    """
    compiler = numba.njit(nogil=nogil, inline=inline, fastmath=fastmath)

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher: Any = compiler(function)
        if cache and hasattr(dispatcher, "enable_caching"):  # or Numba is told not to compile
            try:
                dispatcher._cache = _Cache(function)
            except (RuntimeError, OSError) as error:  # no folder that Numba would take can be written
                _tell(error)
        return dispatcher

    return compiled


class _Cache(FunctionCache):
    """Numba's cache of a function; a full disk, or files that are cut or gone, are as no cache.

    It is fresh as long as all compiled files are the same: Numba looks at the function's own alone, though what others
    have in them, constants too, is compiled into it.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        file = self._cache_file
        file._source_stamp = (file._source_stamp, _sources())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whatever a damaged pickle leads to
            _tell(error)
            with suppress(Exception):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _tell(error)


@functools.cache
def _sources() -> str:
    """A digest of the files that compile something, or have a rule or a number in them that is compiled.

    Of the CPU's folder those are all, whatever they are called: a file of constants has no word of compiling in it.
    """
    digest, package = hashlib.sha256(), Path(__file__).parents[1]
    compiled = package / "backends" / "cpu"
    for path in sorted(package.rglob("*.py")):
        text = path.read_bytes()
        named = b"njit" in text or b"numba" in text or path == package / "problem" / "solvers.py"
        if named or path.is_relative_to(compiled):
            digest.update(text)
    return digest.hexdigest()


_TOLD: list[str] = []


def _tell(error: Exception) -> None:
    """Say once what is lost."""
    if not _TOLD:
        _TOLD.append(str(error))
        LOGGER.warning(
            "compiled code cannot be kept (%s), so that each process compiles it anew, which takes up to minutes; set "
            "the environment variable NUMBA_CACHE_DIR to a folder that can be written.",
            error,
        )
