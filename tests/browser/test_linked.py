"""What is selected lights what belongs to it in every view: held against the document's numbers."""

import numpy as np
import pytest
from browsing import until

KEYS = "(all) => all.map((one) => one.dataset.thing)"


def lit(page, view, kind):
    """Things of a kind that are lit in a view, by key."""
    page.wait_for_timeout(60)
    found = page.locator(f"#{view} a.lit[data-thing^='{kind}-']").evaluate_all(
        "(all) => all.map((one) => one.dataset.thing)"
    )
    return set(found)


def there(page, view, kind):
    found = page.locator(f"#{view} a[data-thing^='{kind}-']").evaluate_all(
        "(all) => all.map((one) => one.dataset.thing)"
    )
    return set(found)


@pytest.fixture
def part(made):
    return made("full").document["results"][0]


def shares_of(part):
    F = np.asarray(part["inputs"]["F"], float)
    return F / np.maximum(F.sum(axis=1, keepdims=True), 1e-30)


@pytest.mark.parametrize("i", [0, 2])
def test_a_pattern(opened, part, i):
    page = opened("full", f"#factor-{i + 1}")
    numbers = np.asarray(part["inputs"]["number"])
    much = np.flatnonzero(shares_of(part)[:, i] >= 0.2)
    most = much[np.argsort(-shares_of(part)[much, i], kind="stable")][:40]
    inputs = {f"input-{n}" for n in numbers[[*most, *part["factors"]["top"][i]]]}
    units = {
        f"unit-{layer['block']}-{c}"
        for layer in part["layers"]
        for c in np.flatnonzero((layer["shares"][i] >= 0.02) & (layer["lift"][i] >= 1.4))
    }
    sizes, known = np.asarray(part["classes"]["counts"]) / part["n"], part["beyond_chance"]
    classes = np.asarray(part["class_parts"][0]["parts"]["true"])[i] / 100 >= 1.5 * sizes
    classes |= known["goes"][i] & (np.arange(len(sizes)) == known["place"][i])
    for view in ("patterns", "walk", "inputs"):
        assert lit(page, view, "input") == inputs & there(page, view, "input"), view
    for view in ("walk", "units"):
        assert lit(page, view, "unit") == units & there(page, view, "unit"), view
    for view in ("patterns", "walk"):
        assert lit(page, view, "class") == {f"class-{c}" for c in np.flatnonzero(classes)} & there(page, view, "class")
    for view in ("patterns", "walk", "units", "inputs", "comparison"):
        selected = page.locator(f"#{view} a.selected").evaluate_all(KEYS)
        assert set(selected) <= {f"factor-{i + 1}"}
    assert page.locator("#patterns article.selected").count() == 1
    assert page.locator("#walk tr.selected").count() == 1
    current = page.locator("main a[aria-current='true']").evaluate_all(KEYS)
    assert set(current) == {f"factor-{i + 1}"}


def test_a_class(opened, part):
    page = opened("full", "#class-1")
    numbers = np.asarray(part["inputs"]["number"])
    inputs = {f"input-{n}" for n in numbers[np.asarray(part["inputs"]["label"]) == 1]}
    assert lit(page, "patterns", "input") == inputs & there(page, "patterns", "input")
    assert lit(page, "inputs", "input") == inputs & there(page, "inputs", "input")
    of_one = {
        f"unit-{units['block']}-{i}"
        for units in part["units"]
        for i in range(units["n"])
        if units["of_class"]["of_one"][i]
        and units["of_class"]["names"][units["of_class"]["favourite"][i]] == part["classes"]["names"][1]
    }
    assert lit(page, "units", "unit") == of_one & there(page, "units", "unit")


def test_an_input(opened, part):
    page = opened("full", "#input-7")
    place = int(np.flatnonzero(np.asarray(part["inputs"]["number"]) == 7)[0])
    patterns = {f"factor-{i + 1}" for i in np.flatnonzero(shares_of(part)[place] >= 0.2)}
    for view in ("patterns", "walk"):
        assert lit(page, view, "factor") == patterns
    classes = {f"class-{part['inputs'][of][place]}" for of in ("label", "predicted")}
    assert lit(page, "walk", "class") == classes & there(page, "walk", "class")


def test_a_unit(opened, part):
    layer, units = part["layers"][0], part["units"][0]
    group = np.asarray(units["group"])
    one = int(np.flatnonzero(group >= 0)[0])
    page = opened("full", f"#unit-{layer['block']}-{one}")
    alike = {f"unit-{layer['block']}-{i}" for i in np.flatnonzero(group == group[one]) if i != one}
    assert alike
    assert lit(page, "units", "unit") == alike
    using = np.flatnonzero((layer["shares"][:, one] >= 0.02) & (layer["lift"][:, one] >= 1.4))
    assert lit(page, "patterns", "factor") == {f"factor-{i + 1}" for i in using}


def test_units_stand_beside_the_size_of_their_class(opened, part):
    page = opened("full", "#units")
    units, rows = part["units"][0], page.locator("#units .datatable tbody tr")
    known = units["of_class"]
    for i in range(units["n"]):
        cells = rows.nth(i).locator("th, td").all_inner_texts()
        marked = units["rate"][i] == 0 or units["group"][i] >= 0 or known["of_one"][i]
        assert (cells[3] == "active") != bool(marked)
        if units["rate"][i]:
            assert cells[8] == f"{100 * known['size'][i]:.1f}%"
            assert (cells[9] == "≤\u00a00.005") is bool(known["p"][i] < 0.00498)
    assert page.get_by_role("region", name="Units by layer").locator("tbody td").first.inner_text() == "6 channels"


def test_a_row_that_is_drawn_later_is_lit_as_well(opened):
    page = opened("full", "#factor-1")
    page.locator("#walk summary").first.click()
    page.wait_for_selector("#walk details table")
    expected = lit(page, "walk", "unit")
    shown = page.locator("#walk details a.lit").evaluate_all(KEYS)
    assert set(shown) <= expected


def test_pointing_shows_where_a_thing_is_and_nothing_else(opened):
    page = opened("full", "#factor-1")
    page.locator("#patterns h3 a[data-thing='factor-2']").hover()
    until(page, "document.querySelectorAll('.pointed').length")
    pointed = page.locator(".pointed").evaluate_all("(all) => all.map((one) => one.dataset.thing ?? one.dataset.row)")
    assert set(pointed) == {"factor-2"}
    width = "(one) => parseFloat(getComputedStyle(one).outlineWidth)"
    faint, selected = (page.locator(f"#patterns a.{one}").first.evaluate(width) for one in ("pointed", "selected"))
    assert faint < selected
    page.mouse.move(2, 2)
    until(page, "!document.querySelector('.pointed')")


def test_a_selection_moves_nothing(opened):
    """Marks that changed a size would have the whole page laid out again."""
    page = opened("full", "#walk")
    places = "[...document.querySelectorAll('#walk tr, #walk a')].map((one) => [one.offsetLeft, one.offsetTop])"
    until(page, "document.querySelector('#walk a.thing').checkVisibility({ contentVisibilityAuto: true })")
    page.wait_for_timeout(300)
    before = page.evaluate(places)
    page.locator("#walk tr[data-row=factor-1] a[data-thing=factor-1]").first.click()
    until(page, "document.querySelector('#walk a.lit')")
    assert page.evaluate(places) == before


def test_cells_far_from_the_window_wait(opened):
    page = opened("large", "#verdicts")
    last = "document.querySelector('#walk tr:last-child .cell a')"
    assert not page.evaluate(f"{last}.checkVisibility({{ contentVisibilityAuto: true }})")
    page.evaluate("location.hash = '#walk/factor-20'")
    until(page, f"{last}.checkVisibility({{ contentVisibilityAuto: true }})")
    until(page, "document.activeElement.closest('#walk tr')?.dataset.row === 'factor-20'")
    box = page.evaluate("(({ top, bottom }) => [top, bottom])(document.activeElement.getBoundingClientRect())")
    assert 0 < box[0] < box[1] < 900


@pytest.fixture
def of_one_name(opened, made):
    """A page whose layers have one name, as long ones get when they are shortened; two of its classes do, too."""

    def spoil(page):
        page.evaluate(
            """() => { const { document: found } = document.cnnProbe, part = found.results[1];
                 for (const of of [part.units, part.layers]) for (const one of of) one.block = "one";
                 for (const block of part.blocks) if (block.layer !== null) block.name = "one";
                 part.classes.names[1] = part.classes.names[0]; }"""
        )
        return page

    return spoil(opened("several"))


def test_units_of_layers_of_one_name_are_told_apart(of_one_name):
    page = of_one_name
    for layer in (0, 1):
        page.evaluate(f"location.hash = 'rank-1/units/unit-one~{layer}-2'")
        until(page, f"document.querySelector('#units tr.selected')?.dataset.row === 'unit-one~{layer}-2'")
        assert page.locator("#units tr.selected td:nth-child(2)").all_inner_texts() == ["one"]
        assert page.locator("#units tr.selected").count() == 1
        assert set(page.locator("#walk a.selected").evaluate_all(KEYS)) <= {f"unit-one~{layer}-2"}
        assert page.locator("#selected h2").inner_text() == "channel 2 of one"
    page.evaluate("location.hash = 'rank-1/unit-one-2'")
    until(page, "document.querySelector('#selected').textContent.includes('not on this page')")


def test_classes_of_one_name_are_told_apart(of_one_name, made):
    page = of_one_name
    part = made("several").document["results"][1]
    for c in (0, 1):
        page.evaluate(f"location.hash = 'rank-1/class-{c}'")
        until(page, f"document.querySelector('#patterns a.selected')?.dataset.thing === 'class-{c}'")
        expected = {
            f"unit-one~{layer}-{i}"
            for layer, units in enumerate(part["units"])
            for i in np.flatnonzero(units["of_class"]["of_one"])
            if units["of_class"]["place"][i] == c
        }
        assert lit(page, "units", "unit") == expected & there(page, "units", "unit")


@pytest.mark.parametrize(
    ("address", "of"), [("#factor-2", "Pixels of pattern 2"), ("#unit-relu1-2", "Where channel 2")]
)
def test_what_is_drawn_of_a_selection_has_its_numbers(opened, part, address, of):
    page = opened("full", address)
    page.locator("#selected summary").click()
    table = page.get_by_role("region", name=of).locator("table")
    table.wait_for()
    drawn = part["factors"]["latent"][1][0] if address == "#factor-2" else part["units"][0]["maps"][2]
    rows = [[int(cell) for cell in row.locator("td").all_inner_texts()] for row in table.locator("tbody tr").all()]
    assert np.abs(np.array(rows) - np.asarray(drawn) / 2.55).max() <= 0.51
    assert np.max(rows) == 100
