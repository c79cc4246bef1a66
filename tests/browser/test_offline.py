"""A page from its file, without a network: no request, no error, no violation; it reads without a script."""

import pytest
from browsing import until

PAGES = ("full", "several", "bare", "hostile", "large", "studies")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_nobody_and_nothing_goes_wrong(opened, made, name):
    page = opened(name)
    for view in page.locator("#views a").all():
        view.click()
        page.wait_for_timeout(50)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # draws all that waits for being seen, and opens all
    page.wait_for_timeout(300)
    assert page.locator("#failed").is_hidden()
    assert page.title() == page.locator("h1").inner_text()
    page.goto(made(name).path.as_uri() + "#factor-1")


def test_a_policy_is_broken_visibly(opened):
    page = opened("bare")
    page.evaluate("document.body.append(Object.assign(new Image(), { src: 'https://example.org/a.png' }))")
    until(page, "window.violations.length")
    assert page.evaluate("window.violations.splice(0)") == ["img-src"]
    assert any("example.org" in one for one in page.wrong)
    page.wrong.clear()


def test_what_is_drawn_is_not_blank(opened):
    page = opened("full", "#walk")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_timeout(500)
    blank = page.evaluate(
        """() => [...document.querySelectorAll("canvas")].filter((canvas) => {
             const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
             return data.every((value) => value === 0);
           }).map((canvas) => canvas.getAttribute("aria-label"))"""
    )
    assert blank == []
    assert page.locator("canvas").count() > 50


def test_the_summary_reads_without_a_script(opened, made):
    page = opened("full", java_script_enabled=False)
    text = page.locator("body").inner_text()
    for card in made("full").document["results"][0]["cards"]:
        for said in ("question", "number", "answer", "sure", "cannot"):
            assert " ".join(card[said].split()) in " ".join(text.split())
    assert "Without JavaScript" in text
    assert "What this page cannot tell" in text


@pytest.mark.parametrize("name", PAGES)
def test_with_a_script_the_summary_is_gone(opened, name):
    assert opened(name).locator("#summary").count() == 0
