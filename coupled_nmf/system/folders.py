"""A folder of this machine, or one by an address that fsspec knows: small enough to be sent to another process."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from coupled_nmf.system.files import atomic_open


class Folder:
    """Files by their names.

    Parameters
    ----------
    address : str or path
        A path, or "protocol://..." for fsspec, as "s3://bucket/runs"; whoever gets this folder has to reach it.
    """

    def __init__(self, address: str | os.PathLike[str]) -> None:
        text = os.path.expanduser(os.fsdecode(address))
        self._remote = "://" in text
        self.address = text.rstrip("/") if self._remote else os.path.abspath(text)  # wherever another process stands

    def _system(self) -> tuple[Any, str]:
        """Whose files they are, and the folder's name there."""
        try:
            core = importlib.import_module("fsspec.core")
        except ImportError as error:
            raise ImportError(f"{self.address} is an address for fsspec, which is not installed.") from error
        found: tuple[Any, str] = core.url_to_fs(self.address)
        return found

    def make(self) -> None:
        """Make it, if it is not there.

        Raises
        ------
        ValueError
            If it is a file.
        OSError
            If it cannot be made.
        """
        if self._remote:
            system, path = self._system()
            system.makedirs(path, exist_ok=True)
            return
        if os.path.exists(self.address) and not os.path.isdir(self.address):
            raise ValueError(f"{self.address} is a file; give the path of a folder.")
        Path(self.address).mkdir(parents=True, exist_ok=True)

    def write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A new file, there when the ``with`` block ends; on this machine it appears whole."""
        return self._open_remote(name, "wb") if self._remote else atomic_open(os.path.join(self.address, name))

    def read(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file that is there. Raises OSError if it is not."""
        return self._open_remote(name, "rb") if self._remote else open(os.path.join(self.address, name), "rb")

    def _open_remote(self, name: str, mode: str) -> Any:
        system, path = self._system()
        return system.open(f"{path}/{name}", mode)

    def names(self) -> list[str]:
        """What there is, in order; nothing, if there is no such folder."""
        try:
            if not self._remote:
                return sorted(os.listdir(self.address))
            system, path = self._system()
            system.invalidate_cache(path)
            return sorted(str(one).rsplit("/", 1)[-1] for one in system.ls(path, detail=False))
        except FileNotFoundError:
            return []

    def remove(self, names: Sequence[str]) -> None:
        """Have these no more, where they are there."""
        for name in names:
            with suppress(FileNotFoundError):
                if self._remote:
                    system, path = self._system()
                    system.rm_file(f"{path}/{name}")
                else:
                    os.remove(os.path.join(self.address, name))
