"""What every result over ranks can do: rows, a DataFrame, a printed table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Table(ABC):
    """A result that is read row by row."""

    _printed: ClassVar[tuple[str, ...]]  # what of a row is printed: one column a block may be too wide

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """The rows, one dict each."""

    def to_pandas(self) -> Any:
        """The rows as a DataFrame.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_pandas needs pandas: pip install pandas; rows() gives the same without.") from error
        return pd.DataFrame(self.rows())

    def __repr__(self) -> str:
        cells = [[_text(row[name]) for name in self._printed] for row in self.rows()]
        table = [list(self._printed), *cells]
        widths = [max(len(line[i]) for line in table) for i in range(len(self._printed))]
        return "\n".join("  ".join(map(str.rjust, line, widths)) for line in table)


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
