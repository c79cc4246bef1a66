"""What stands of a second network: its patterns beside the first's, errors, dead units."""

import pytest
from browsing import until


@pytest.fixture
def found(made):
    return made("full").document["results"][0]["comparison"]


def test_each_pattern_stands_beside_its_match(opened, found):
    page = opened("full", "#comparison")
    rows = page.get_by_role("region", name="Patterns of both networks").locator("tbody tr")
    factors = found["factors"]
    assert rows.count() == len(factors["verdict"]) > 0
    for i, row in enumerate(rows.all()):
        cells = [row.locator("th").inner_text(), *row.locator("td").all_inner_texts()]
        here, there = factors["a"][i], factors["b"][i]
        assert cells[0] == ("–" if here is None or here < 0 else f"pattern {here + 1}")
        assert cells[2] == ("–" if there is None or there < 0 else f"its pattern {there + 1}")
        assert float(cells[4]) == pytest.approx(factors["similarity"][i], abs=6e-4)
        verdict = factors["verdict"][i]
        assert cells[-1] == {"lost": "only here", "new": "only there"}.get(verdict, verdict)
        if there is not None and there >= 0:
            own = row.locator("td").nth(2).locator("canvas.picture")
            assert [one.get_attribute("aria-label") for one in own.all()] == [
                f"Input #{number}" for number in found["top"][there][: found["n_tops"]]
            ]


def test_counts_and_what_chance_gives_are_told(opened, found):
    text = opened("full", "#comparison").locator("#comparison").inner_text()
    counts = found["counts"]
    assert f"{counts['matched']} matched, {counts['changed']} changed, {counts['lost']} only here" in text
    assert not {"lost", "new"} & set(text.replace(",", " ").split()), "what only one has was not lost by the other"
    assert sum(counts.values()) == len(found["factors"]["verdict"])
    assert f"were the networks one, about {found['by_chance']:.2g} would be" in text


def test_errors_and_dead_units_of_both(opened, found):
    page = opened("full", "#comparison")
    errors = page.get_by_role("region", name="What is left of each block").locator("tbody tr")
    assert errors.count() == len(next(iter(found["errors"].values())))
    names, *columns = found["errors"].values()
    for i, row in enumerate(errors.all()):
        assert row.locator("th").inner_text() == names[i]
        cells = [cell.replace("−", "-") for cell in row.locator("td").all_inner_texts()]
        shown = [float(cell.removesuffix("%")) / 100 for cell in cells if "%" in cell]
        told = [column[i] for column in columns if isinstance(column[i], float)]
        assert shown == pytest.approx(told, abs=6e-5)
        assert len(shown) > 2
    dead = page.get_by_role("region", name="Dead units of both").locator("tbody tr")
    assert [[*row.locator("th").all_inner_texts(), *row.locator("td").all_inner_texts()] for row in dead.all()] == [
        [name, *map(str, numbers)] for name, *numbers in found["dead"]
    ]
    assert found["dead"], "one channel of the network is dead"


def test_a_pattern_of_the_first_is_selected_from_its_row(opened):
    page = opened("full", "#comparison")
    page.locator("#comparison a[data-thing='factor-2']").first.click()
    assert page.url.endswith("#factor-2")
    until(page, "document.querySelector('#comparison a.selected')")
    assert (
        page.locator("#comparison a.selected").count() == page.locator("#comparison a[data-thing='factor-2']").count()
    )
