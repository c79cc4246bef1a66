"""What a store says of itself: one file of JSON, written whole and last."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cnn_probe.activations.store.array_file import Damaged
from cnn_probe.activations.store.kept import Kept
from cnn_probe.system.parts import write_bytes

MANIFEST = "store.json"
VERSION = 1  # of what lies in the folder; counts among the facts


@dataclass
class Manifest:
    """What is in a store.

    Attributes
    ----------
    key : str
        64 hexadecimal digits of all that decides what the rows are.
    facts : dict
        What the caller gave to decide it.
    arrays : list of (str, dict)
        Name of each array, in order, and what it is, as `Kept`; empty of a store of a version that did not say so.
    rows_done : int
        Rows of every array that are on the disk.
    finished : bool
    running, shifts : dict
        What is known of the rows that are done, and what is subtracted from blocks when they are read; packed.
    """

    key: str
    facts: dict[str, Any]
    rows_done: int = 0
    finished: bool = False
    running: Any = field(default_factory=lambda: pack({}))
    shifts: Any = field(default_factory=lambda: pack({}))
    arrays: list[Any] = field(default_factory=list)

    @property
    def kept(self) -> dict[str, Kept]:
        """What is kept, by name."""
        return {name: Kept(**found | {"shape": tuple(found["shape"])}) for name, found in self.arrays}

    def write(self, folder: Path) -> None:
        """Take the place of what the folder's manifest was."""
        body = asdict(self)
        write_bytes(folder / MANIFEST, json.dumps({"body": body, "sha256": _digest(body)}, allow_nan=False).encode())

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Return the folder's; None if there is none.

        Raises
        ------
        Damaged
            If it is not what was written.
        """
        try:
            found = json.loads((folder / MANIFEST).read_bytes())
            body = found["body"]
            if found["sha256"] != _digest(body):
                raise ValueError("its digest is another")
            return cls(**body)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Damaged(f"{MANIFEST} cannot be read ({error})") from error


def key_of(facts: Mapping[str, Any], kept: Mapping[str, Kept], n: int | None) -> str:
    """Return 64 hexadecimal digits that change with the facts, what is kept, and of how many samples.

    Raises
    ------
    TypeError
        If the facts hold what JSON does not.
    """
    try:
        return _digest({"version": VERSION, "facts": dict(facts), "arrays": said_of(kept), "n": n})
    except (TypeError, ValueError) as error:
        raise TypeError(f"facts must hold strings, numbers, lists and mappings alone, as JSON does: {error}") from error


def said_of(kept: Mapping[str, Kept]) -> list[Any]:
    """What is kept, as JSON holds it."""
    return [[name, asdict(array)] for name, array in kept.items()]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def pack(value: Any) -> Any:
    """Return numbers, arrays, and mappings and lists of them as what JSON holds, to the last bit.

    Examples
    --------
    >>> unpack(pack({"minima": np.float32([0.1, np.inf]), "smallest": -np.inf}))
    {'minima': array([0.1, inf], dtype=float32), 'smallest': -inf}
    """
    if isinstance(value, Mapping):
        return {"mapping": {str(key): pack(inner) for key, inner in value.items()}}
    if isinstance(value, (list, tuple)):
        return [pack(inner) for inner in value]
    if isinstance(value, np.ndarray):
        content = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": [content, value.dtype.str, value.shape]}
    value = value.item() if isinstance(value, np.generic) else value
    return {"float": value.hex()} if isinstance(value, float) else value


def unpack(value: Any) -> Any:
    """Return what `pack` was given."""
    if isinstance(value, list):
        return [unpack(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    return _UNPACK[kind](content)


def _array(content: Any) -> np.ndarray[Any, Any]:
    numbers, dtype, shape = content
    return np.frombuffer(base64.b64decode(numbers), dtype=dtype).reshape(shape).copy()


_UNPACK: dict[str, Callable[[Any], Any]] = {
    "mapping": lambda content: {key: unpack(inner) for key, inner in content.items()},
    "array": _array,
    "float": float.fromhex,
}
