"""Browsers, and pages that are made once; a test that opens one fails on any request, error or violation."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browsing import until

playwright = pytest.importorskip("playwright.sync_api", reason="'make test-browser' installs Playwright")

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
VIOLATIONS = """window.violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective), true);"""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Chromium or Chrome, as it is on PATH."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip(f"no Chromium or Chrome is on PATH ({', '.join(CHROMIUM)})")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """A page by its name, as `made_pages.Made` with a ``path``; each is made when it is first asked for."""
    import made_pages
    import studied_pages

    folder, parts, found = tmp_path_factory.mktemp("pages"), {}, {}

    def part(name: str) -> Any:
        if name not in parts:
            parts[name] = (
                made_pages.everything() if name == "4 patterns" else made_pages.result_part(made_pages.answers(3))
            )
        return parts[name]

    makers = {
        "full": lambda: made_pages.page({"4 patterns": part("4 patterns")}),
        "several": lambda: made_pages.page({name: part(name) for name in ("4 patterns", "3 patterns")}),
        "bare": made_pages.bare,
        "mapless": lambda: made_pages.mapless(make("full").document),
        "unreached": lambda: made_pages.unreached(make("full").document),
        "hostile": lambda: made_pages.hostile(tmp_path_factory.mktemp("hostile")),
        "large": made_pages.large,
        "studies": lambda: studied_pages.studies(tmp_path_factory.mktemp("studies")),
        "studies far from 0": lambda: studied_pages.far_from_zero(make("studies").document),
        "many networks": studied_pages.many_networks,
        "hostile studies": lambda: studied_pages.spoiled(make("studies").document),
    }

    def make(name: str) -> Any:
        if name not in found:
            found[name] = makers[name]()
            found[name].path = folder / f"{name}.html"
            found[name].path.write_text(found[name].html, encoding="utf-8")
        return found[name]

    return make


@pytest.fixture
def opened(chromium: Any, made: Callable[[str], Any]) -> Iterator[Callable[..., Any]]:
    """``opened(name, address="", **context)`` opens a page from its file, offline, and gives Playwright's page."""
    closing = []

    def open_page(name: str, address: str = "", **how: Any) -> Any:
        watched = watching(chromium, made(name).path, **how)
        page = watched.__enter__()
        closing.append(watched)
        page.goto(made(name).path.as_uri() + address)
        if how.get("java_script_enabled", True):
            until(page, "document.cnnProbe")
        return page

    yield open_page
    for watched in closing:
        watched.__exit__(None, None, None)


@contextmanager
def watching(browser: Any, path: Path, **how: Any) -> Iterator[Any]:
    """A page in a context of its own, without a network; in the end, nothing may have been asked for or gone wrong."""
    context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **how})
    context.set_offline(True)
    context.add_init_script(VIOLATIONS)
    page, wrong = context.new_page(), []
    page.set_default_timeout(10_000)
    page.on("request", lambda sent: _asks_nobody(sent.url, path) or wrong.append(f"request: {sent.url[:200]}"))
    page.on("console", lambda said: said.type in ("error", "warning") and wrong.append(f"console: {said.text[:300]}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.wrong = wrong
    yield page
    if how.get("java_script_enabled", True):
        wrong.extend(f"policy: {one}" for one in page.evaluate("window.violations"))
    context.close()
    assert wrong == []


def _asks_nobody(url: str, path: Path) -> bool:
    return url.startswith(("data:", "blob:")) or url.split("#")[0] == path.as_uri()
