"""A `.npy` file that grows by rows, and can go on where it was cut off."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import BytesIO, FileIO
from os.path import samestat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.store.kept import Kept
from cnn_probe.system.mapped import map_array
from cnn_probe.system.names import file_name


class Damaged(ValueError):
    """What is in a store cannot be what was written there."""


class ArrayFile:
    """One array in a file, which NumPy reads once `finish` has been called; no rows are in it before, as NumPy sees it.

    Rows are written, not mapped: a disk that is full is then an error, where a map ends the process.

    Parameters
    ----------
    path : Path
        The file.
    kept : Kept
        What it holds.
    """

    def __init__(self, path: Path, kept: Kept) -> None:
        self.path, self._kept = path, kept
        self.rows = 0
        self._file: FileIO | None = None
        self._shared = False

    def begin(self) -> None:
        """Make the file, where there is none: one that was there is to be deleted, so that who reads it keeps it."""
        self.rows = 0
        self._file = FileIO(self.path, "x+")
        self._write(0, self._header(0))

    def go_on(self, rows: int) -> None:
        """Open a file that holds so many rows; what is behind them is written over, or cut off at last.

        Raises
        ------
        Damaged
            If it is missing, or holds fewer.
        """
        if not self.holds(rows):
            raise Damaged(f"{self.path.name} is missing, or shorter than the {rows} rows that it had")
        self._file = FileIO(self.path, "r+")
        self._write(0, self._header(0))
        self.rows = rows

    def join(self, start: int) -> None:
        """Open a file that others have begun, and write other rows to, to write rows from ``start`` on."""
        self._file = FileIO(self.path, "r+")
        self.rows, self._shared = start, True

    @property
    def is_there(self) -> bool:
        """Whether what is open still is the file of that name: another may have taken its place."""
        opened = self._file
        return opened is not None and self.path.is_file() and samestat(os.fstat(opened.fileno()), self.path.stat())

    def holds(self, rows: int) -> bool:
        """Whether the file is long enough for so many rows."""
        return self.path.is_file() and self.path.stat().st_size >= self._place(rows)

    def write(self, start: int, values: NDArray[Any]) -> None:
        """Write rows from ``start``, at most where the others end."""
        rows = np.ascontiguousarray(values, dtype=self._dtype)
        self._write(self._place(start), rows.reshape(-1).view(np.uint8).data)
        self.rows = start + len(values)

    def flush(self) -> None:
        """Have all that was written on the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Say in the header how many rows there are, and close the file."""
        if self._file is not None:
            self._file.truncate(self._place(self.rows))
            self._write(0, self._header(self.rows))
            self.flush()
        self.close()

    def close(self) -> None:
        """Close the file, as it is."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def check(self, rows: int) -> None:
        """Raise Damaged if it is not a finished file of so many rows."""
        wanted = self._header(rows)
        try:
            with open(self.path, "rb") as file:
                whole = file.read(len(wanted)) == wanted and self.path.stat().st_size == self._place(rows)
        except OSError as error:
            raise Damaged(f"{self.path.name} cannot be read ({error.strerror})") from error
        if not whole:
            raise Damaged(f"{self.path.name} is not the file of {rows} rows that was written")

    def open(self) -> NDArray[Any]:
        """Return the rows of a finished file, as a memory map that cannot be written to."""
        return map_array(self.path)

    @property
    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(self._kept.dtype).newbyteorder("<")

    def _header(self, rows: int) -> bytes:
        """NumPy's, of one length whatever the number of rows: it leaves room for the first axis to grow."""
        header = BytesIO()
        shape = (rows, *self._kept.shape)
        np.lib.format.write_array_header_1_0(header, {"descr": self._dtype.str, "fortran_order": False, "shape": shape})
        return header.getvalue()

    def _place(self, rows: int) -> int:
        """Where the row of that number begins."""
        return len(self._header(0)) + rows * self._kept.row_bytes

    def _write(self, place: int, content: bytes | memoryview) -> None:
        if self._file is None:
            raise RuntimeError(f"{self.path} is closed")
        self._file.seek(place)
        left = memoryview(content)
        try:
            while len(left):  # one call writes 2 GB at most
                left = left[self._file.write(left) :]
        except OSError:
            if not self._shared:
                self._file.truncate(self._place(self.rows))  # on a full disk, room for the manifest
            raise


def files_of(folder: Path, kept: Mapping[str, Kept]) -> dict[str, ArrayFile]:
    """Return the file of each array of a store in its folder, by the array's name."""
    names = {name: f"{number:03d}-{file_name(name)}.npy" for number, name in enumerate(kept)}
    return {name: ArrayFile(folder / names[name], array) for name, array in kept.items()}
