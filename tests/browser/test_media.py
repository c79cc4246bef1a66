"""On paper, and in colours that the system forces."""

import pytest
from browsing import opened_all


def test_paper_has_all_that_is_drawn_and_open(opened):
    page = opened("full", "#factor-1")
    page.emulate_media(media="print")
    opened_all(page)
    waiting = page.evaluate("[...document.querySelectorAll('canvas')].filter((one) => !one.painted).length")
    assert waiting == 0
    assert page.locator("details:not([open])").count() == 0
    assert page.locator("#bar").is_hidden()
    assert page.locator("#selected").is_hidden()
    rows = page.locator("#inputs .datatable tbody tr").count()
    assert rows == 90, "all rows, not the first of them alone"


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
    """What is selected has a frame, what belongs to it another and a dot; a bar that goes down is hatched."""
    page = opened("full", "#factor-1")
    dot = "(one) => getComputedStyle(one, '::after').content"
    assert page.locator("#patterns a.lit").first.evaluate(dot) == '"●"'
    assert page.locator("#walk .bar.down").count() > 0
    assert "repeating" in page.locator("#walk .bar.down").first.evaluate(
        "(one) => getComputedStyle(one).backgroundImage"
    )
    for mark in page.locator("#units .mark").all():
        assert mark.inner_text() in ("dead", "redundant", "of one class")
