"""A smoke test in Firefox, through its own WebDriver BiDi: Playwright's `firefox` is a build of its own."""

import shutil

import pytest
from bidi import firefox

EVENTS = ["log.entryAdded", "network.beforeRequestSent"]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        pytest.skip("no Firefox is on PATH (firefox, firefox-esr)")
    with firefox(path, tmp_path_factory.mktemp("firefox")) as found:
        found.ask("session.subscribe", events=EVENTS)
        yield found


@pytest.fixture
def shown(session, made):
    """``shown(name, address)`` opens a page and gives a function that evaluates on it; nothing may go wrong."""
    found = session.ask("browsingContext.create", type="tab")["context"]
    session.events.clear()

    def show(name, address=""):
        where = made(name).path.as_uri() + address
        session.ask("browsingContext.navigate", context=found, url=where, wait="complete")
        waiting = (
            "new Promise((done) => { const look = () => document.cnnProbe ? done(1) : setTimeout(look, 20); look(); })"
        )
        session.evaluate(found, waiting)
        return lambda expression: session.evaluate(found, expression)

    yield show
    session.ask("browsingContext.close", context=found)
    asked = [one["params"]["request"]["url"] for one in session.events if one["method"] == EVENTS[1]]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    said = [one["params"] for one in session.events if one["method"] == EVENTS[0]]
    assert [one["text"] for one in said if one["level"] in ("error", "warn")] == []


@pytest.mark.parametrize("name", ["full", "hostile", "bare"])
def test_a_page_opens_and_is_drawn(shown, name):
    page = shown(name, "#factor-3")
    assert page("document.querySelector('#selected h2').textContent") == "Pattern 3"
    assert page("document.querySelectorAll('#patterns article.selected').length") == 1
    assert page("window.hit") is None
    page("dispatchEvent(new Event('beforeprint'))")
    page("new Promise((done) => setTimeout(done, 800))")
    blank = """[...document.querySelectorAll("canvas")].filter((canvas) => canvas.getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height).data.every((value) => value === 0)).length"""
    assert page(blank) == 0
    assert page("document.querySelectorAll('canvas').length") >= (0 if name == "bare" else 30)


def test_a_click_selects_and_back_goes_back(shown):
    page = shown("full", "#factor-1")
    page("document.querySelector('#patterns article:nth-child(2) h3 a').click()")
    page("new Promise((done) => setTimeout(done, 200))")
    assert page("document.querySelector('#selected h2').textContent") == "Pattern 2"
    page("history.back()")
    page("new Promise((done) => setTimeout(done, 300))")
    assert page("document.querySelector('#selected h2').textContent") == "Pattern 1"
    assert page("location.hash") == "#factor-1"
