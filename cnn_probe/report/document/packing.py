"""Documents as JSON that a page can hold, and as files: plain values, with arrays beside them.

A document is what `json` takes, with NumPy arrays anywhere in it. On a page, each array is a place in one heap of
bytes, zipped and in base64; in a file, each is an array of an ``.npz``. Nothing is pickled.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.table import Table

ARRAY = "$array"
NAMED = re.compile(r"\$+array")  # names that are written with one more $, so that no name passes for an array
KINDS = {"float32": "<f4", "int32": "<i4", "uint8": "u1"}  # what a page reads, by the bytes that it takes
ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def as_script(document: Any) -> str:
    r"""Return a document as JSON that can stand in a ``<script type="application/json">``, whatever texts are in it.

    Numbers that are not finite are null; those in arrays stay. An array has float32, int32 or uint8 on the page:
    whole numbers are int32, others float32.

    Examples
    --------
    >>> as_script({"name": "</script>", "n": float("nan")})
    '{"name":"\\u003c/script\\u003e","n":null,"heap":""}'
    """
    heap: list[bytes] = []
    at = 0

    def put(array: NDArray[Any]) -> dict[str, Any]:
        nonlocal at
        kind = _kind(array)
        content = np.ascontiguousarray(array, dtype=KINDS[kind]).tobytes()
        content += b"\0" * (-len(content) % 4)  # so that each begins where its type may
        heap.append(content)
        at += len(content)
        return {ARRAY: [at - len(content), kind, list(array.shape)]}

    plain = _plain(document, put)
    zipped = base64.b64encode(zlib.compress(b"".join(heap), 9)).decode() if heap else ""
    text = json.dumps({**plain, "heap": zipped}, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.translate(ESCAPES)


def as_file(document: Any) -> bytes:
    """Return a document as the bytes of an ``.npz``, which `from_file` reads.

    Examples
    --------
    >>> from_file(as_file({"a": np.arange(2), "b": ["x", None]}))
    {'a': array([0, 1]), 'b': ['x', None]}
    """
    arrays: dict[str, NDArray[Any]] = {}

    def put(array: NDArray[Any]) -> dict[str, Any]:
        arrays[f"a{len(arrays)}"] = array
        return {ARRAY: len(arrays) - 1}

    text = json.dumps(_plain(document, put), allow_nan=False)
    content = io.BytesIO()
    np.savez_compressed(content, document=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def columns_of(table: Table) -> dict[str, Any]:
    """Return a table as part of a document, by its columns."""
    return {name: list(table[name]) for name in table.columns}


def from_file(content: bytes) -> Any:
    """Return the document of a file.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            return _made(json.loads(found["document"].tobytes()), lambda at: found[f"a{at}"])
    except Exception as error:  # a damaged archive fails anywhere, and with any error
        raise ValueError(f"a document cannot be read ({error})") from error


def _kind(array: NDArray[Any]) -> str:
    if array.dtype == np.uint8 or array.dtype == np.bool_:
        return "uint8"
    return "int32" if array.dtype.kind in "iu" else "float32"


def _plain(value: Any, put: Callable[[NDArray[Any]], dict[str, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        return put(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {_told(str(name)): _plain(inner, put) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, put) for inner in value]
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _made(plain: Any, array: Callable[[int], NDArray[Any]]) -> Any:
    if isinstance(plain, list):
        return [_made(inner, array) for inner in plain]
    if not isinstance(plain, dict):
        return plain
    if plain.keys() == {ARRAY}:
        return array(plain[ARRAY])
    return {_name(name): _made(inner, array) for name, inner in plain.items()}


def _told(name: str) -> str:
    return f"${name}" if NAMED.fullmatch(name) else name


def _name(told: str) -> str:
    return told[1:] if NAMED.fullmatch(told) else told
