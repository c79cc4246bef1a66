"""The page of studies: verdicts lead to what they stand on, curves are those of the numbers, raw or free of scale."""

import pytest


def test_each_verdict_leads_to_its_study(opened, made):
    page = opened("studies")
    for card in made("studies").document["cards"]:
        page.goto(page.url.partition("#")[0] + "#verdicts")
        page.get_by_role("link", name=f"Show me: {card['question']}").first.click()
        assert page.url.endswith(f"#{card['show']}")
        assert page.evaluate("document.activeElement.closest('article')?.id") == card["show"]


def test_the_switch_shows_one_kind_of_errors(opened):
    page = opened("studies", "#study-fraction")
    study = page.locator("#study-fraction")
    for kind, shown, other in (("free", "Error of relu1", "Error of images and layers"), ("raw", None, None)):
        page.locator(f"input[value={kind}]").check()
        if shown:
            assert study.get_by_text(shown, exact=True).first.is_visible()
            assert study.get_by_text(other, exact=True).first.is_hidden()
        else:
            assert study.get_by_text("Error of images and layers", exact=True).first.is_visible()


def test_every_line_is_told_by_dash_and_mark_too(opened, made):
    page = opened("studies")
    for study in made("studies").document["studies"]:
        entries = page.locator(f"#{study['id']} .legend li")
        assert entries.count() == len(study["conditions"])
        looks = [
            (line.get_attribute("stroke-dasharray"), mark.evaluate("(one) => one.tagName + one.getAttribute('d')"))
            for line, mark in zip(
                page.locator(f"#{study['id']} .legend .line").all(),
                page.locator(f"#{study['id']} .legend .marks > *").all(),
                strict=True,
            )
        ]
        assert len(set(looks)) == len(looks), "no two alike but for their colour"


def test_a_chart_has_its_numbers_in_a_table(opened, made):
    page = opened("studies")
    study = made("studies").document["studies"][0]
    page.locator(f"#{study['id']} details > summary").last.click()
    table = page.locator(f"#{study['id']} details[open] table").first
    text = table.inner_text()
    mean = study["errors"][0]["values"][0, :, 0].mean()
    assert f"{mean:.3g}".rstrip("0") in text


def test_a_network_is_picked_and_stays_in_the_address(opened, made):
    page = opened("studies")
    results = made("studies").document["results"]
    assert len(results) > 3
    page.locator("#result").select_option(label=results[2]["label"])
    assert results[2]["id"] in page.url
    page.goto(page.url.partition("#")[0] + f"#{results[1]['id']}/factor-2")
    assert page.locator("#result").evaluate("(one) => one.selectedIndex") == 1
    assert page.locator("#selected h2").inner_text() == "Pattern 2"


@pytest.mark.parametrize("width", [320, 1400])
def test_charts_have_room(opened, width):
    page = opened("studies", "#studies", viewport={"width": width, "height": 800})
    widths = page.evaluate("[...document.querySelectorAll('.chart svg')].map((one) => one.clientWidth).filter(Boolean)")
    assert widths
    assert min(widths) >= 240
