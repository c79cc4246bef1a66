"""What is selected lives in the address: it can be sent, and gone back to."""

import re

import pytest
from browsing import until


def selected(page):
    page.wait_for_timeout(60)
    title = page.locator("#selected h2")
    return title.inner_text() if page.locator("#selected").is_visible() and title.count() else None


@pytest.mark.parametrize(
    ("address", "title", "view"),
    [
        ("#factor-3", "Pattern 3", "patterns"),
        ("#class-1", "Class rows", "patterns"),
        ("#input-7", "Input #7", "inputs"),
        ("#unit-relu1-2", "channel 2 of relu1", "units"),
        ("#walk/factor-2", "Pattern 2", "walk"),
    ],
)
def test_an_address_selects_and_shows(opened, address, title, view):
    page = opened("full", address)
    assert selected(page) == title
    box = page.evaluate(
        "(view) => (({ top, bottom }) => [top, bottom])(document.getElementById(view).getBoundingClientRect())",
        view,
    )
    assert box[0] < 800
    assert box[1] > 100
    assert page.evaluate("(view) => document.activeElement.closest('section')?.id === view", view)
    assert page.evaluate("() => scrollY") > 0


def test_a_click_selects_and_changes_the_address(opened):
    page = opened("full")
    page.locator("#patterns h3 a").nth(2).click()
    assert page.url.endswith("#factor-3")
    assert selected(page) == "Pattern 3"
    page.locator("#selected a.clear").click()
    assert selected(page) is None
    assert page.locator(".selected, .lit").count() == 0


def test_what_is_clicked_is_marked_where_it_is_and_what_is_typed_is_gone_to(opened):
    page = opened("full", "#inputs")
    page.wait_for_timeout(600)
    place = page.evaluate("scrollY")
    page.locator("#inputs td a[data-thing^=factor-]").first.evaluate("(one) => one.click()")
    assert selected(page).startswith("Pattern")
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") == pytest.approx(place, abs=2)
    page.evaluate("location.hash = '#unit-relu1-2'")
    until(page, "document.activeElement.closest('section')?.id === 'units'")
    assert selected(page) == "channel 2 of relu1"
    typed = page.evaluate("scrollY")
    page.go_back()
    assert selected(page).startswith("Pattern")
    assert page.evaluate("document.activeElement.closest('section')?.id") != "patterns", "one goes back, not to a view"
    assert typed < place


def test_the_list_of_views_shows_the_current_one(opened):
    page = opened("full", "#about", viewport={"width": 375, "height": 800})
    until(page, "document.querySelector('#views a[aria-current]')?.dataset.view === 'about'")
    box = page.evaluate(
        "(({ left, right }) => [left, right])(document.querySelector('#views a[aria-current]').getBoundingClientRect())"
    )
    assert 0 <= box[0] < box[1] <= 375


def test_back_and_forward(opened):
    page = opened("full", "#factor-1")
    page.locator("#patterns h3 a").nth(1).click()
    assert selected(page) == "Pattern 2"
    page.go_back()
    assert selected(page) == "Pattern 1"
    page.go_forward()
    assert selected(page) == "Pattern 2"
    assert page.locator("#patterns article.selected h3").inner_text() == "Pattern 2"


def test_back_and_forward_between_results(opened):
    page = opened("several", "#factor-4")
    assert page.locator("#patterns article").count() == 4
    page.locator("#result").select_option("3 patterns")
    until(page, "document.querySelectorAll('#patterns article').length === 3")
    assert "rank-1" in page.url
    page.go_back()
    until(page, "document.querySelectorAll('#patterns article').length === 4")
    assert selected(page) == "Pattern 4"
    assert page.locator("#result").evaluate("(one) => one.selectedIndex") == 0


def test_links_of_a_result_stay_with_it(opened):
    page = opened("several", "#patterns/rank-1/factor-2")
    assert selected(page) == "Pattern 2"
    page.locator("#selected .ways a", has_text="walk").click()
    page.wait_for_timeout(60)
    assert re.search(r"#walk/rank-1/factor-2$", page.url)
    page.locator("#views a", has_text="units").click()
    page.wait_for_timeout(60)
    assert page.locator("#result").evaluate("(one) => one.selectedIndex") == 1, "views are of the result that is shown"


@pytest.mark.parametrize(
    "address",
    [
        "#factor-99",
        "#factor-0",
        "#class-12",
        "#input-4000",
        "#input-9999999999999999999999",
        "#unit-no%20layer-1",
        "#unit-relu1-99",
    ],
)
def test_an_address_that_names_nothing_says_so(opened, address):
    page = opened("full", address)
    assert "not on this page" in page.locator("#selected").inner_text()
    assert f"{address[1:].replace('%20', ' ')}." in page.locator("#selected").inner_text()


@pytest.mark.parametrize(
    "address", ["#", "#nothing", "#factor-", "#%", "#unit-%E0%A4%A-1", "#factor-1e9", "#<img src=x>"]
)
def test_any_address_opens(opened, address):
    page = opened("full", address)
    assert page.locator("#patterns article").count() == 4


def test_the_view_that_is_read_is_marked(opened):
    page = opened("full", "#walk")
    until(page, "document.querySelector('#views [aria-current]')?.dataset.view === 'walk'")


def test_an_address_finds_what_lies_beyond_the_rows_that_are_shown(opened, made):
    number = int(made("large").document["results"][0]["inputs"]["number"][-1])
    page = opened("large", f"#input-{number}")
    until(page, f"document.activeElement.closest('#inputs tr')?.dataset.row === 'input-{number}'")
    assert page.locator(f"#inputs tr.selected[data-row='input-{number}']").count() == 1


def test_another_network_is_shown_in_the_same_view(opened):
    page = opened("several", "#inputs")
    until(page, "document.querySelector('#views a[aria-current]')?.dataset.view === 'inputs'")
    page.locator("#result").select_option("3 patterns")
    until(page, "document.querySelectorAll('#patterns article').length === 3")
    page.wait_for_timeout(1700)
    top = page.evaluate("document.getElementById('inputs').getBoundingClientRect().top")
    assert 0 <= top < 120
    assert page.locator("#views a[aria-current]").inner_text() == "inputs"


def test_a_link_to_where_one_is_goes_there_again(opened):
    page = opened("full", "#walk/factor-1")
    page.wait_for_timeout(1700)
    page.evaluate("scrollTo(0, 0)")
    page.locator("#selected .ways a", has_text="walk").click()
    until(page, "scrollY > 500")
    row = page.evaluate("document.querySelector('#walk tr.selected').getBoundingClientRect().top")
    assert 0 < row < 900


def test_a_link_to_a_study_keeps_the_network_that_is_shown(opened, made):
    page = opened("studies")
    label = made("studies").document["results"][1]["label"]
    page.locator("#result").select_option(index=1)
    until(page, "document.getElementById('result').selectedIndex === 1")
    page.locator(".contents a").nth(1).click()
    page.wait_for_timeout(200)
    assert page.evaluate("document.getElementById('result').selectedOptions[0].text") == label


@pytest.mark.parametrize("address", ["#nonsense", "#comparison", "#rank-99/factor-1", "#walk/%E2%98%83", "#study-none"])
def test_an_address_of_nothing_that_is_here_says_so(opened, address):
    page = opened("bare", address)
    said = page.locator("#selected").inner_text()
    assert "What the address names is not on this page" in said
    assert said.count(re.sub("#|walk/|/factor-1", "", address).replace("%E2%98%83", "\u2603")) == 1
    assert page.locator(".selected, .lit").count() == 0
    page.locator("#selected").get_by_role("link", name="clear").click()
    page.wait_for_selector("#selected", state="hidden")


def test_a_view_that_is_not_here_is_told_beside_what_is_selected(opened):
    page = opened("bare", "#study-%E2%98%83/factor-1")
    assert "not on this page: study-\u2603" in page.locator("#selected").inner_text()
    assert page.locator("#selected h2").inner_text() == "Pattern 1"
    until(page, "document.activeElement.closest('section')?.id === 'patterns'")


def test_what_is_missing_is_said_aloud_and_cleared_by_escape(opened):
    page = opened("bare", "#factor-1")
    page.locator("#selected h2").focus()
    page.evaluate("location.hash = '#nonsense'")
    until(page, "document.querySelector('[role=status].unseen').textContent.includes('not on this page: nonsense')")
    assert page.evaluate("document.activeElement.closest('#selected') !== null"), "the focus is not lost"
    assert page.locator("a.skip").nth(1).is_hidden(), "nothing is selected"
    page.keyboard.press("Escape")
    page.wait_for_selector("#selected", state="hidden")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("address", ["", "#all", "#/factor-1", "#walk", "#result-0/factor-1"])
def test_addresses_that_links_have_or_had_are_known(opened, made, address):
    result = made("bare").document["results"][0]["id"]
    page = opened("bare", address.replace("result-0", result))
    page.wait_for_timeout(60)
    assert page.get_by_text("What the address names").count() == 0
