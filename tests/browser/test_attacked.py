"""Addresses that somebody typed, and the link past the list of views."""

import pytest


@pytest.mark.parametrize("typed", ["factor-02", "unit-%72elu1-1", "input-00"])
def test_what_an_odd_address_names_is_marked(opened, typed):
    page = opened("full", f"#{typed}")
    assert page.locator("#main .selected").count() > 0


def test_the_skip_link_keeps_network_and_selection(opened):
    page = opened("several", "#rank-1/factor-2")
    page.get_by_role("link", name="Skip to the page").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#rank-1/factor-2"
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.locator("#result").evaluate("(one) => one.selectedIndex") == 1
