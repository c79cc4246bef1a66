"""What tests in a browser do on a page."""

from __future__ import annotations

import time
from typing import Any


def tab_to(page: Any, selector: str, most: int = 600) -> None:
    """Press Tab until an element has the focus."""
    assert page.locator(selector).count() > 0, selector
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by {most} tabs")


def opened_all(page: Any) -> None:
    """Draw what waits for being seen, and open what is closed, as printing does."""
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_timeout(400)


def until(page: Any, expression: str, seconds: float = 15) -> None:
    """Wait until an expression holds. Playwright's own waiting evaluates text, which the page's policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"it does not come to be: {expression}"
        page.wait_for_timeout(20)
