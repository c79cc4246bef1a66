"""One file of all that a page is: script, style, document, and a policy that lets nothing in from outside."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

import rcssmin
import rjsmin
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.diagnostics import RESOLVED
from cnn_probe.measures.units import SAME
from cnn_probe.report.document.fitting import fitted
from cnn_probe.report.document.packing import as_script
from cnn_probe.report.plots.grid import WORTH
from cnn_probe.report.plots.walk import ABOVE
from cnn_probe.system.names import shown

WIDEST = 300  # characters of a text from outside
OF_CARDS = 1200  # of one on a card, which are sentences of the page's own about such texts
MODULE = re.compile(r'^import \{[^}]*\} from "\./([a-z]+)\.js";\n', re.MULTILINE)
START = "main"
# By which the page's script marks and draws, as figures do.
THRESHOLDS = {"above": ABOVE, "same": SAME, "worth": WORTH, "level": LEVEL, "resolved": RESOLVED}
OWN = ("about", "cards", "quality", "studies")  # parts of a document that are sentences, which are told whole


def render(document: dict[str, Any], *, mark: str, links: str = "") -> str:
    """Return a page.

    Parameters
    ----------
    document : dict
        ``title``, ``cards``, ``results`` (each of `result_part`, with ``id`` and ``label``), ``studies``, and ``about``
        with ``lead``, ``facts``, ``limits``, ``notes``, ``command`` and ``files``.
    mark : str
        What the page is known by.
    links : str, default=""
        HTML that has to be on it.
    """
    own = {name: _readable(document[name], None) for name in OWN if name in document}
    page = {**fitted({**_readable(document), **own}), "thresholds": THRESHOLDS}
    style, script = rcssmin.cssmin(_asset("page.css")), bundled()
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    environment = Environment(loader=PackageLoader("cnn_probe", "report/assets"), autoescape=True)
    return environment.get_template("page.html.jinja").render(
        page=page,
        mark=mark,
        links=Markup(links),
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        data=Markup(as_script(page)),
    )


@cache
def bundled() -> str:
    """The page's modules in one, each after those that it takes from: what they give each other needs no address.

    Raises
    ------
    ValueError
        If two of them give one name to different things, or a text between backticks is within another.
    """
    ordered: list[str] = []

    def add(name: str) -> None:
        if name not in ordered:
            for other in MODULE.findall(_asset(f"{name}.js")):
                add(other)
            ordered.append(name)

    add(START)
    given = [one for name in ordered for one in _top_level(_asset(f"{name}.js"))]
    twice = {one for one in given if given.count(one) > 1}
    if twice:
        raise ValueError(f"modules of the page give one name to several things: {', '.join(sorted(twice))}")
    for name in ordered:
        _refuse_nested_texts(name, _asset(f"{name}.js"))
    return rjsmin.jsmin(
        "\n".join(re.sub(r"^export ", "", MODULE.sub("", _asset(f"{name}.js")), flags=re.MULTILINE) for name in ordered)
    )


def _refuse_nested_texts(name: str, source: str) -> None:
    """What makes the script small would take the spaces of a text within another for those of code."""
    *pairs, end = re.sub(r"^\s*//.*$", "", source, flags=re.MULTILINE).split("`")
    for text in pairs[1::2]:
        left = text
        while left != (left := re.sub(r"\$?\{[^{}]*\}", "", left)):
            pass
        if "${" in left:
            raise ValueError(f"a text between backticks may not be within another: {text} in {name}.js")
    if len(pairs) % 2:
        raise ValueError(f"a backtick of {name}.js has no other: {end.strip()[:60]}")


def _top_level(source: str) -> list[str]:
    return re.findall(r"^(?:export )?(?:async )?(?:const|let|class|function) (\w+)", source, flags=re.MULTILINE)


def _asset(name: str) -> str:
    return (files("cnn_probe") / "report" / "assets" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _readable(value: Any, widest: int | None = WIDEST) -> Any:
    """Of all texts, also of names, nothing is left that an encoding or a browser stumbles over."""
    if isinstance(value, str):
        return shown(value, widest) if value else value
    if isinstance(value, dict):
        return {
            (shown(key, widest) if isinstance(key, str) else key): _readable(
                one, OF_CARDS if key == "cards" else widest
            )
            for key, one in value.items()
        }
    return [_readable(one, widest) for one in value] if isinstance(value, list | tuple) else value
