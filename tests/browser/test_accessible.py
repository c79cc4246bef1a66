"""axe-core, WCAG 2.2 AA: no violation in any view, light, dark, narrow and wide, whatever is selected or open."""

import pytest

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="'make test-browser' installs axe-core")

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
LAID_OUT = "for (const one of document.querySelectorAll('.view, .cell')) one.style.contentVisibility = 'visible'"
SELECTED = ("", "#factor-1", "#class-0", "#input-3", "#unit-relu1-0", "#factor-99")


def violations(page):
    """Of rules; but a target that the bars at the top and the bottom cover in part is seen by scrolling."""
    page.evaluate(
        LAID_OUT
    )  # what waits for being seen has the room of a guess, and axe would find it over its neighbours
    found = axe.Axe().run(page, options=RULES).response
    assert len(found["passes"]) > 10, "axe has looked"
    nodes = [(one["id"], node["html"], node["failureSummary"]) for one in found["violations"] for node in one["nodes"]]
    return [one for one in nodes if not (one[0] == "target-size" and "partially obscured" in one[2])]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1400])
@pytest.mark.parametrize("address", SELECTED)
def test_full(opened, address, width, scheme):
    page = opened("full", address, color_scheme=scheme, viewport={"width": width, "height": 800})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.show()")
    assert violations(page) == []


@pytest.mark.parametrize("name", ["several", "bare", "hostile", "large", "studies", "hostile studies"])
@pytest.mark.parametrize("width", [320, 1400])
def test_others(opened, name, width):
    page = opened(name, "#factor-2", color_scheme="dark", viewport={"width": width, "height": 800})
    assert violations(page) == []


@pytest.mark.parametrize("width", [320, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_studies_raw_and_free_of_scale(opened, scheme, width):
    page = opened("studies", "#studies", color_scheme=scheme, viewport={"width": width, "height": 800})
    for kind in ("raw", "free"):
        page.locator(f"input[value={kind}]").check()
        page.evaluate("for (const one of document.querySelectorAll('details')) one.show?.()")
        assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_a_script(chromium, made, scheme):
    """axe needs one: so the summary is held against it as it stands before the page's own script runs."""
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 320, "height": 800})
    page = context.new_page()
    page.set_content(made("full").html.replace('<script type="module">', '<script type="text/plain">'))
    assert page.locator("#summary h3").count() > 3
    assert violations(page) == []
    context.close()


@pytest.mark.parametrize("name", ["full", "several", "bare", "hostile", "large", "studies", "hostile studies"])
@pytest.mark.parametrize("address", ["", "#factor-1", "#input-0"])
def test_a_narrow_window_scrolls_one_way(opened, name, address):
    page = opened(name, address, viewport={"width": 320, "height": 800})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.show()")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    outside = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > 321
             && !one.closest(".scroll, #views, pre, .skip, .unseen")
             && getComputedStyle(one.parentElement).textOverflow !== "ellipsis")
             .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert outside == []


def test_targets_are_large_enough(opened):
    """WCAG 2.5.8: 24 by 24 pixels, or as far apart as if they were, or in a line of text."""
    page = opened("full", "#factor-1")
    small = page.evaluate(
        """() => [...document.querySelectorAll("a, button, select, input, summary")].filter((one) => {
             const box = one.getBoundingClientRect();
             const inText = one.closest("p, li, dd, label") && !one.closest(".ways, nav");
             return box.width > 0 && !inText && (box.width < 24 || box.height < 24);
           }).map((one) => one.outerHTML.slice(0, 150))"""
    )
    assert small == []


@pytest.mark.parametrize("width", [320, 1400])
def test_what_is_focused_is_seen(opened, width):
    """WCAG 2.4.11: neither the bar at the top nor what is selected, at the bottom, hides it."""
    page = opened("full", "#factor-2", viewport={"width": width, "height": 700})
    hidden, seen = [], set()
    for step in range(140):
        page.keyboard.press("Tab" if step < 90 else "Shift+Tab")
        found = page.evaluate(
            """() => {
              const one = document.activeElement, box = one.getBoundingClientRect();
              const bar = document.getElementById("bar").getBoundingClientRect();
              const low = document.getElementById("selected").getBoundingClientRect();
              if (one === document.body || one.closest("#bar, #selected, .skip")) return null;
              const covered = box.bottom <= bar.bottom || box.top >= low.top;
              return [one.outerHTML.slice(0, 100), covered];
            }"""
        )
        if found:
            seen.add(found[0])
            if found[1]:
                hidden.append(found[0])
    assert len(seen) > 20
    assert hidden == []
