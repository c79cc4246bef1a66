"""The page of studies: verdicts lead to what they stand on, curves are those of the numbers, raw or free of scale."""

import itertools

import pytest
from browsing import until
from large_studies import large_studies


def test_each_card_leads_to_what_it_stands_on(opened, made):
    page = opened("studies")
    for card in made("studies").document["cards"]:
        page.goto(page.url.partition("#")[0] + "#verdicts")
        page.get_by_role("link", name=f"Show me: {card['question']}").first.click()
        assert page.url.endswith(f"#{card['show']}")
        until(page, f"document.activeElement.closest('#{card['show']}')")


def test_each_claim_leads_to_a_chart_that_is_then_shown(opened, made):
    page, kinds = opened("studies"), set()
    for study in made("studies").document["studies"]:
        for i, claim in enumerate(study["claims"]):
            page.locator("input[value=raw]").check()
            page.locator(f"#{study['id']} .stacked tbody tr").nth(i).get_by_role("link").click()
            until(page, f"document.activeElement.id === '{claim['show']}'")
            shown = f"document.querySelector('#{claim['show']} :is(svg, table)')?.checkVisibility()"
            until(page, shown)  # whatever was shown before; tables are made when they unfold
            kinds.add(claim["show"].removeprefix(study["charts"]))
    assert kinds == {"-rmse", "-error-relu1", "-error-relu2", "-measures", "-recognized", "-overlap"}


def test_the_contents_lead_to_every_study(opened, made):
    page = opened("studies", "#studies")
    links = page.get_by_role("navigation", name="Studies").get_by_role("link")
    assert links.count() == 1 + len(made("studies").document["studies"])
    for link in links.all():
        link.click()
        until(page, f"document.activeElement.closest('article')?.id === '{link.get_attribute('href')[1:]}'")


def test_claims_are_cards_where_the_window_is_narrow(opened):
    page = opened("studies", "#study-order", viewport={"width": 375, "height": 800})
    claims = page.locator("#study-order .stacked")
    assert claims.evaluate("(one) => one.scrollWidth <= one.clientWidth"), "nothing to scroll sideways"
    cell = claims.locator("tbody td").first
    assert cell.evaluate("(one) => getComputedStyle(one, '::before').content") == '"verdict: "'
    page.set_viewport_size({"width": 1400, "height": 800})
    assert cell.evaluate("(one) => getComputedStyle(one, '::before').content") == "none"


def test_classes_are_drawn_when_they_are_opened_and_have_their_numbers_beside(opened, made):
    page = opened("studies", "#study-order")
    found = next(one for one in made("studies").document["studies"] if one["id"] == "study-order")["classes"]
    firing = page.locator("#chart-order-groups")
    assert firing.locator("canvas").count() == 0
    firing.locator("summary").click()
    assert "seed 0" in firing.locator("summary").inner_text()
    row = firing.locator("table").nth(1).locator("tbody tr").nth(3)
    row.wait_for()  # what unfolds is told of a moment after the click
    assert row.locator("td").all_inner_texts()[:2] == [str(found["firing"][of][1][3]) for of in ("counts", "own")]
    row.scroll_into_view_if_needed()
    until(page, "document.querySelectorAll('#chart-order-groups table')[1].rows[4].querySelector('canvas').painted")
    drawn = row.locator("canvas").evaluate(
        "(one) => new Set(one.getContext('2d').getImageData(0, 0, one.width, one.height).data).size"
    )
    assert drawn > 2, "not one colour alone"
    page.locator("#chart-order-overlap > summary").click()
    table = page.locator("#chart-order-overlap table").first
    table.wait_for()
    assert table.locator("thead th").all_inner_texts() == ["class", "at a glance", *found["names"]]
    assert table.locator("tbody tr").nth(2).locator("td").nth(5).inner_text() == f"{found['overlap'][0][2][4]:.2f}"


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
            (
                line.get_attribute("stroke-dasharray"),
                mark.evaluate("(one) => one.parentNode.getAttribute('class') + one.tagName + one.getAttribute('d')"),
            )
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
    page.locator(f"#{study['id']}").get_by_text("In numbers", exact=True).click()
    table = page.locator(f"#{study['id']} details[open] table").first
    table.wait_for()
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


def test_studies_stay_as_they_are_whichever_network_is_picked(opened):
    """They are of none: what was opened and switched stays, and is not drawn again."""
    page = opened("studies")
    page.locator("input[value=free]").check()
    page.locator("#studies details > summary").first.click()
    page.locator("#result").select_option(index=1)
    until(page, "location.hash.length > 1")
    page.wait_for_timeout(200)
    assert page.locator("#studies .show-free").count() == 1
    assert page.locator("#studies details[open]").count() == 1


def test_errors_that_lie_far_from_zero_are_told_apart(opened, made):
    """Their axis begins above 0, and says so; that of others begins at 0."""
    page, study = opened("studies far from 0", "#studies"), made("studies far from 0").document["studies"][0]
    far, near = (page.locator(f"[id='{one['id']}'] svg") for one in study["errors"][:2])
    assert "axis begins above 0" in far.text_content()
    assert "begins above 0" not in near.text_content()
    heights = far.evaluate("(one) => [...one.querySelectorAll('path.line')].map((line) => line.getBBox().y)")
    assert min(abs(a - b) for a, b in itertools.pairwise(heights)) > 30
    ticks = far.evaluate("(one) => [...one.querySelectorAll('.axes .grid + text')].map((text) => text.textContent)")
    assert len(set(ticks)) == len(ticks) > 2, "with as many digits as tell them apart"


@pytest.mark.parametrize("width", [320, 1400])
def test_charts_have_room(opened, width):
    page = opened("studies", "#studies", viewport={"width": width, "height": 800})
    widths = page.evaluate("[...document.querySelectorAll('.chart svg')].map((one) => one.clientWidth).filter(Boolean)")
    assert widths
    assert min(widths) >= 240


def test_all_networks_are_ranked_and_lead_to_their_patterns(opened, made):
    page = opened("studies", "#study-finding")
    document = made("studies").document
    found = document["quality"]["networks"]
    assert found["accuracy"] == sorted(found["accuracy"], reverse=True)
    assert len(set(found["names"])) == len(found["names"])
    page.locator("#study-finding summary").filter(has_text="the most accurate first").click()
    table = page.get_by_role("region", name="Networks, as they were trained; n = 60 test images")
    table.wait_for()
    rows = table.locator("tbody tr")
    assert rows.count() == len(found["names"])
    assert rows.first.locator("th").inner_text() == found["names"][0]
    shown = [one["label"] for one in document["results"]]
    links = table.get_by_role("link")
    assert links.count() == len(shown)
    label = links.last.get_attribute("aria-label").removeprefix("Patterns of ")
    links.last.click()
    until(page, "document.activeElement.closest('section')?.id === 'patterns'")
    assert page.locator("#result").input_value() == label


def test_conditions_of_some_classes_or_an_order_say_which(opened):
    text = opened("studies", "#study-order").locator("#study-order").inner_text()
    assert "(images of 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, one class after the other)" in text
    text = opened("many networks").locator("#study-0").text_content()
    assert "(images of 3 alone)" in text


def test_an_untrained_network_that_is_shown_is_named_where_one_is_asked_for(made):
    document = made("studies").document
    assert any(one["untrained"] for one in document["results"])
    assert any("choose one to be shown" in limit for limit in document["about"]["limits"])
    shown = document["quality"]["networks"]
    labels = {one["id"]: one["label"] for one in document["results"]}
    named = dict(zip(shown["ids"], shown["names"], strict=True))
    assert {one: named[one] for one in labels if one in named}.items() <= labels.items()
    learned = dict(zip(shown["names"], shown["train_accuracy"], strict=True))
    assert [name for name, accuracy in learned.items() if accuracy is None] == [f"untrained, seed {i}" for i in (0, 1)]


@pytest.mark.parametrize("part", ["studies", "quality"])
def test_the_studies_that_benchmarks_make_up_have_all_that_real_ones_have(made, part):
    real, made_up = (_places(document[part]) for document in (made("studies").document, large_studies(studies=1)))
    assert len(real) > 10
    assert made_up >= real


def _places(value, at=""):
    """Where there is something in nested values, by names alone."""
    if isinstance(value, list):
        return set().union(*(_places(one, at) for one in value))
    if not isinstance(value, dict) or "atlas" in value:
        return {at}
    return set().union({at}, *(_places(one, f"{at}.{name}") for name, one in value.items()))
