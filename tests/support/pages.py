"""A page of results read back: its document, with arrays, and the words that stand in it without JavaScript."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SVG = "http://www.w3.org/2000/svg"  # a name, which nothing is loaded from
KINDS = {"float32": "<f4", "int32": "<i4", "uint8": "u1"}
DATA = re.compile(r'<script type="application/json" id="document">(.*?)</script>', re.DOTALL)
DURATIONS = re.compile(r"<dt>([^<]*durations)</dt><dd>[^<]*</dd>")


def document_in(page: Path | str) -> dict[str, Any]:
    """The document of a page, of its path or its text, as the script on it reads it."""
    (data,) = DATA.findall(_text(page))
    return unpacked(data)


def unpacked(data: str) -> dict[str, Any]:
    """What `packing.as_script` packed."""
    plain = json.loads(data, parse_constant=_refuse)
    heap = plain.pop("heap")
    return _expanded(plain, zlib.decompress(base64.b64decode(heap)) if heap else b"")


def labels_in(page: Path | str) -> list[str]:
    """What the results on a page are called."""
    return [one["label"] for one in document_in(page)["results"]]


def cards_in(page: Path | str) -> list[dict[str, str]]:
    """All cards of all results of a page."""
    return [card for one in document_in(page)["results"] for card in one["cards"]]


def words_of(page: Path | str) -> str:
    """What is to be read of a page where no script runs."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", _text(page).partition("<body>")[2], flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def addresses_in(page: Path | str) -> set[str]:
    """Addresses of other places that stand anywhere on a page."""
    return set(re.findall(r"\w*://[^\s\"'`)<]*", _text(page)))


def texts_in(value: Any) -> Iterator[str]:
    """All texts of a document, names of entries too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)


def timeless(page: Path | str) -> tuple[str, Any]:
    """A page without how long what took: what is written on it, and its document, which `==` can compare."""
    text = _text(page)
    return DURATIONS.sub(r"\1", DATA.sub("", text)), comparable(document_in(text))


def comparable(value: Any) -> Any:
    """A document without durations, its arrays as bytes: equal if all bits are."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, dict):
        return {name: comparable(inner) for name, inner in value.items() if name != "seconds"}
    if isinstance(value, list | tuple):
        if len(value) == 2 and str(value[0]).endswith("durations"):
            return [value[0]]
        return [comparable(inner) for inner in value]
    return value


def _text(page: Path | str) -> str:
    return page.read_bytes().decode() if isinstance(page, Path) else page


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def _expanded(value: Any, heap: bytes) -> Any:
    if isinstance(value, list):
        return [_expanded(inner, heap) for inner in value]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        at, kind, shape = value["$array"]
        return np.frombuffer(heap, KINDS[kind], int(np.prod(shape)), at).reshape(shape)
    return {re.sub(r"^\$(?=\$+array$)", "", name): _expanded(inner, heap) for name, inner in value.items()}
