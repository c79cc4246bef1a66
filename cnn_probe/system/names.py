"""How names from outside (classes, layers, data sets, studies) are written for people, and for file systems."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

#: General categories of what cannot be seen, or moves what stands around it: controls, marks of direction, halves of
#: surrogates, code points without a character, separators.
_UNSEEN = ("C", "Z")
_BYTES = range(0xDC80, 0xDD00)  # how Python keeps the bytes of a path that are no UTF-8


def shown(name: str, width: int | None = 40) -> str:
    r"""Return a name as it is written in a figure, on a page or in a terminal: as it is, if all of it can be seen.

    Parameters
    ----------
    name : str
        Any string, also one that no encoding takes.
    width : int or None, default=40
        Most characters; a longer name loses its middle. None leaves none out.

    Returns
    -------
    str
        One line. What cannot be seen is written as an escape, the bytes of a file name that are no UTF-8 too; letters
        and the accents that stand apart from them are put together.

    Examples
    --------
    >>> shown("US$"), shown("two\nlines"), shown("caf\udce9"), shown("a" * 50, width=9), shown("")
    ('US$', 'two\\nlines', 'caf\\xe9', 'aaaa…aaaa', "''")
    """
    if width is not None and len(name) > 8 * width:  # so that a name of a gigabyte takes no longer than another
        name = name[: 4 * width] + name[-4 * width :]
    text = "".join(map(_letter, unicodedata.normalize("NFC", name)))
    text = re.sub(r"^ | $|(?<= ) ", r"\\x20", text) or "''"
    if width is None or len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def shown_all(names: Iterable[str], width: int = 40) -> list[str]:
    """Return every name as `shown` writes it; of those that then look the same, the second ends in (2), and so on.

    Examples
    --------
    >>> shown_all(["cat", "dog", "x" * 50, "x" * 51], width=9)
    ['cat', 'dog', 'xxxx…xxxx', 'xxxx…xxxx (2)']
    """
    found: list[str] = []
    for name in names:
        text = candidate = shown(name, width)
        number = 1
        while candidate in found:
            number += 1
            candidate = f"{text} ({number})"
        found.append(candidate)
    return found


def printable(text: str, encoding: str | None = None) -> str:
    r"""Return lines of text as a terminal, or a file of the encoding, can take them: the rest is written as escapes.

    Examples
    --------
    >>> print(printable("caf\udce9: done\n"), printable("café", "ascii"))
    caf\xe9: done
     caf\xe9
    """
    seen = "".join(letter if letter == "\n" else _letter(letter) for letter in text)
    return seen if encoding is None else seen.encode(encoding, "backslashreplace").decode(encoding)


def file_name(name: str) -> str:
    """Return a name for a file that says which name it is of: other names, other files, on any file system.

    Examples
    --------
    >>> file_name("class by class"), file_name("../{0–4}")
    ('class-by-class', '0-4-d2de2a6d')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name[:80].lower()).strip("-")[:40]
    if plain and plain.replace("-", " ") == name:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}-{digest}" if plain else digest


def described(value: Any) -> str:
    """Return what a value is, for messages about what it should have been.

    Examples
    --------
    >>> described(int), described(3)
    ('the type int', 'a int')
    """
    return f"the type {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def _letter(letter: str) -> str:
    if letter == " " or unicodedata.category(letter)[0] not in _UNSEEN:
        return letter
    if ord(letter) in _BYTES:
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")
