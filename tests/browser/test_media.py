"""On paper, and in colours that the system forces."""

import pytest
from browsing import opened_all, until


def test_paper_has_all_that_is_drawn_and_open(opened):
    page = opened("full", "#factor-1")
    page.emulate_media(media="print")
    opened_all(page)
    waiting = page.evaluate("[...document.querySelectorAll('canvas')].filter((one) => !one.painted).length")
    assert waiting == 0
    assert page.locator("main details:not([open])").count() == 0
    assert page.locator("#bar").is_hidden()
    assert page.locator("#selected").is_hidden()
    rows = page.locator("#inputs .datatable tbody tr").count()
    assert rows == 90, "all rows, not the first of them alone"


def test_paper_has_all_rows_of_tables_that_are_folded(opened, made):
    page = opened("many networks")
    n = len(made("many networks").document["quality"]["networks"]["ids"])
    rows = page.locator("#study-finding .datatable tbody tr")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert rows.count() == n > 50
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert rows.count() == 50
    assert page.locator("#study-finding details[open]").count() == 0


def test_a_pdf_is_printed(opened):
    page = opened("full")
    found = page.pdf()
    assert found.startswith(b"%PDF")
    assert len(found) > 50_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_keep_the_selection(opened, scheme):
    page = opened("full", "#factor-1", forced_colors="active", color_scheme=scheme)
    looks = "(one) => (({ outlineStyle, outlineWidth }) => [outlineStyle, outlineWidth])(getComputedStyle(one))"
    assert page.locator("#patterns a.selected").first.evaluate(looks) == ["solid", "3px"]
    assert page.locator("#patterns a.lit").first.evaluate(looks) == ["dotted", "2px"]
    card = page.locator("#patterns article.selected").evaluate("(one) => getComputedStyle(one).outlineStyle")
    assert card == "solid"
    bar = page.locator("#patterns .bar").first.evaluate("(one) => getComputedStyle(one).backgroundImage")
    assert "gradient" in bar


def test_nothing_is_told_by_colour_alone(opened):
    """What is selected has a frame, what belongs to it another, the rest none; a bar that goes down is hatched."""
    page = opened("full", "#factor-1")
    frame = "(one) => getComputedStyle(one).outlineStyle"
    for which, style in ((".selected", "solid"), (".lit", "dotted"), (":not(.selected, .lit)", "none")):
        assert page.locator(f"#patterns a.thing{which}").first.evaluate(frame) == style
    assert page.locator("#walk .bar.down").count() > 0
    assert "repeating" in page.locator("#walk .bar.down").first.evaluate(
        "(one) => getComputedStyle(one).backgroundImage"
    )
    for mark in page.locator("#units .mark").all():
        assert mark.text_content() in ("dead", "redundant", "of one class")


def test_after_printing_only_what_was_closed_is_closed_again(opened):
    page = opened("full")
    page.locator("#walk summary").first.click()
    until(page, "document.querySelector('#walk details[open] table')")
    opened_all(page)
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 1
    assert page.locator("#walk details").first.get_attribute("open") is not None


def test_in_a_narrow_window_what_is_selected_is_one_line_until_asked(opened):
    page = opened("full", "#factor-1", viewport={"width": 375, "height": 800})
    height = "document.getElementById('selected').offsetHeight"
    assert page.evaluate(height) < 80
    assert page.locator("#selected .ways").is_hidden()
    page.locator("#selected .more").click()
    assert page.locator("#selected .more").get_attribute("aria-expanded") == "true"
    assert page.locator("#selected .ways").is_visible()
    assert 150 < page.evaluate(height) <= 480
    page.evaluate("location.hash = '#factor-2'")
    until(page, "document.querySelector('#selected h2').textContent === 'Pattern 2'")
    assert page.locator("#selected .ways").is_visible(), "it stays as it was asked for"
    page.locator("#selected .more").click()
    assert page.evaluate(height) < 80


def test_in_a_wide_window_all_of_it_shows(opened):
    page = opened("full", "#factor-1")
    assert page.locator("#selected .ways").is_visible()
    assert page.locator("#selected .more").is_hidden()


def test_a_link_to_what_is_selected_is_copied_or_can_be_taken(opened):
    page = opened("full", "#factor-2")
    page.evaluate(
        """() => Object.defineProperty(navigator, "clipboard",
             { configurable: true, value: { writeText: async (text) => { window.copied = text; } } })"""
    )
    page.locator("#selected .copy button").click()
    until(page, "window.copied?.endsWith('#factor-2')")
    until(page, "document.querySelector('#selected .copy button').textContent.startsWith('copied')")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { configurable: true, value: undefined })")
    page.locator("#selected .copy button").click()
    until(page, "document.activeElement.value?.endsWith('#factor-2')")
    assert page.evaluate("getSelection().toString()").endswith("#factor-2")


@pytest.mark.parametrize("name", ["full", "several", "bare", "hostile", "large", "studies", "hostile studies"])
def test_nothing_is_wider_than_paper(opened, name):
    """A4 between margins of a centimetre, at 96 dots an inch."""
    page = opened(name, viewport={"width": 718, "height": 1000})
    page.emulate_media(media="print")
    opened_all(page)
    outside = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > 719
             && !one.closest(".unseen, .skip")).map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert outside == []
