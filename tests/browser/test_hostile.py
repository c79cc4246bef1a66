"""Names that would be markup, that run backwards or never end stay text, wherever they stand."""

import pytest
from browsing import opened_all

PAGES = ("hostile", "hostile studies")
ADDRESSES = ("", "#factor-1", "#class-0", "#input-1", "#units", "#patterns/rank-1/factor-2", "#comparison", "#studies")
INJECTED = "img:not([src^='data:']), svg[onload], script:not(#document):not([type=module]), iframe, [onerror], [onload]"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("address", ADDRESSES)
def test_names_stay_text(opened, name, address):
    page = opened(name, address)
    compared = "#comparison" if "rank-1" not in address else "#patterns"  # one of its networks is compared
    assert page.locator(compared if name == "hostile" else "#studies article").count() > 0
    opened_all(page)
    page.evaluate("dispatchEvent(new Event('wheel'))")  # whoever scrolls lets go of what the address named
    for canvas in page.locator(".walk canvas.mosaic").all()[:3]:
        canvas.scroll_into_view_if_needed()
        page.wait_for_timeout(100)  # what comes near the window is laid out then, and moves what is below
        canvas.hover(force=True)
    assert page.locator(INJECTED).count() == 0
    assert page.locator("body script").count() == 2
    assert page.evaluate("window.hit") is None
    text = page.locator("main").text_content()
    assert "<img src=x onerror=window.hit=1>" in text
    assert "</script><script>" in text


@pytest.mark.parametrize("name", PAGES)
def test_names_stay_text_without_a_script(opened, name):
    page = opened(name, java_script_enabled=False)
    assert page.locator(INJECTED).count() == 0
    assert "</script><script>window.hit=1</script>" in page.locator("h1").inner_text()


def test_a_units_link_with_any_name_selects_it(opened):
    page = opened("hostile")
    link = page.locator("#units .datatable tbody th a").first
    link.click()
    page.wait_for_selector("#units .datatable tbody tr.selected")
    assert "not on this page" not in page.locator("#selected").inner_text()
    assert page.locator("#selected h2 bdi").count() == 1


def test_what_runs_backwards_turns_nothing_around_it(opened):
    page = opened("hostile")
    assert page.locator("bdi").count() > 20
    assert "\u202e" not in page.locator("main").text_content(), "it is written as an escape"


def test_no_name_takes_the_page(opened):
    page = opened("hostile", "#class-2")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("h1").evaluate("(one) => one.offsetHeight") < 400
    assert page.locator("#bar").evaluate("(one) => one.offsetHeight") < 150
