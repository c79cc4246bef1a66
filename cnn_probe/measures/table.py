"""A table of what was measured: named columns, for a CSV file, a DataFrame or a notebook."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike

from cnn_probe.system.names import shown, shown_all
from coupled_nmf import atomic_open

Cell = str | int | float | bool | None
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet takes for the beginning of a formula
QUOTED = re.compile(r'[",;\t\r\n]')  # what ends a cell, in one program or another
SHOWN_ROWS = 20


class Table:
    """Named columns of equal length, of plain text, numbers, booleans and None (not known).

    Parameters
    ----------
    columns : mapping of str to sequence
        Lists or 1-d arrays of equal length. Scalars of NumPy become Python's.

    Raises
    ------
    TypeError
        If a name is no text, or a cell is anything else.
    ValueError
        If the columns are not of equal length, or an array is not 1-d.

    Examples
    --------
    >>> table = Table({"unit": ["a", "b", "c"], "rate": [0.25, None, 0.5]})
    >>> table
    Table(3 rows: unit, rate)
    >>> table.sorted_by("rate", descending=True)["unit"]
    ('c', 'a', 'b')
    >>> table.where([True, False, True])["rate"]
    (0.25, 0.5)
    """

    def __init__(self, columns: Mapping[str, Iterable[Any]]) -> None:
        self._columns = {_name(name): _cells(name, values) for name, values in columns.items()}
        lengths = {name: len(values) for name, values in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns must be of equal length, got {lengths}")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, column: str) -> tuple[Cell, ...]:
        """Return the cells of a column."""
        try:
            return self._columns[column]
        except (KeyError, TypeError):
            raise KeyError(f"no column {column!r}; there are {', '.join(self._columns)}") from None

    def __repr__(self) -> str:
        return f"Table({len(self)} rows: {', '.join(shown_all(self._columns))})"

    def rows(self) -> Iterable[tuple[Cell, ...]]:
        """Return the rows, one after the other."""
        return zip(*self._columns.values(), strict=True)

    def sorted_by(self, column: str, descending: bool = False) -> Table:
        """Return the rows by the cells of a column; equal ones stay in their order, None and NaN come last."""
        cells = self[column]
        known = [row for row, cell in enumerate(cells) if not _is_missing(cell)]
        if len({isinstance(cells[row], str) for row in known}) > 1:
            raise TypeError(f"column {column!r} has text and numbers; sort by one that has either")
        order: Any = sorted(known, key=lambda row: cells[row], reverse=descending)
        return self._taken([*order, *(row for row, cell in enumerate(cells) if _is_missing(cell))])

    def where(self, mask: ArrayLike) -> Table:
        """Return the rows at which ``mask``, a boolean for each, is true."""
        found = np.asarray(mask)
        if found.shape != (len(self),) or (found.dtype != bool and len(self)):
            raise ValueError(
                f"mask must be {len(self)} booleans, one a row, got {found.dtype} of shape {found.shape}; compare "
                "np.array(table[column]) with something"
            )
        return self._taken(np.flatnonzero(found).tolist())

    def _taken(self, rows: list[int]) -> Table:
        return Table({name: [cells[row] for row in rows] for name, cells in self._columns.items()})

    def to_csv(self, path_or_file: str | Path | TextIO) -> None:
        """Write a CSV file in UTF-8, the whole of it or nothing; or write to a text file that is open.

        None is an empty cell. Text that a spreadsheet would run as a formula, for it begins with one of ``= + - @``,
        gets an apostrophe before it; numbers do not. Text with a comma, a semicolon, a tab, a quote or a line end is
        quoted, so that it stays one cell also where semicolons set cells apart. What UTF-8 cannot say, as of a
        folder's odd name, is escaped.
        """
        text = io.StringIO()
        for row in (self.columns, *self.rows()):
            line = ",".join(_written(_guarded(cell)) for cell in row)
            text.write((line or '""') + "\n")  # a line without anything would be no row
        whole = text.getvalue().encode(errors="backslashreplace")
        if isinstance(path_or_file, (str, Path)):
            with atomic_open(path_or_file) as file:
                file.write(whole)
        else:
            path_or_file.write(whole.decode())

    def to_frame(self) -> Any:
        """Return a pandas DataFrame.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_frame needs pandas: pip install pandas; to_csv does without") from error
        return pd.DataFrame({name: list(cells) for name, cells in self._columns.items()})

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(shown(name))}</th>" for name in self._columns)
        shown_rows = [row for row, _ in zip(self.rows(), range(SHOWN_ROWS), strict=False)]
        body = "".join(f"<tr>{''.join(f'<td>{escape(_short(cell))}</td>' for cell in row)}</tr>" for row in shown_rows)
        more = f"<p>and {len(self) - SHOWN_ROWS} more rows</p>" if len(self) > SHOWN_ROWS else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"columns must be named by text, got {name!r}")
    return name


def _cells(name: str, values: Iterable[Any]) -> tuple[Cell, ...]:
    if isinstance(values, str):
        raise TypeError(f"columns must be sequences, {name!r} is the text {shown(values)!r}; give a list")
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"columns must be 1-d, {name!r} has shape {values.shape}; give each of its columns a name")
    cells = tuple(value.item() if isinstance(value, np.generic) else value for value in values)
    for cell in cells:
        if not (cell is None or isinstance(cell, (str, int, float))):
            raise TypeError(f"cells must be text, numbers, booleans or None, {name!r} has a {type(cell).__name__}")
    return cells


def _is_missing(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _guarded(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _written(cell: Cell) -> str:
    text = "" if cell is None else repr(cell) if isinstance(cell, float) else str(cell)
    return '"{}"'.format(text.replace('"', '""')) if QUOTED.search(text) else text


def _short(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return "" if cell is None else shown(str(cell))
