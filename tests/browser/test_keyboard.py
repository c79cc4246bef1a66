"""Each task by keyboard alone."""

import csv
import io
import json

from browsing import tab_to, until


def test_select_pattern_3_follow_it_to_the_walk_and_clear(opened):
    page = opened("full")
    tab_to(page, "#patterns h3 a[data-thing='factor-3']")
    page.keyboard.press("Enter")
    page.wait_for_selector("#patterns article.selected[data-row='factor-3']")
    tab_to(page, "#selected .ways a[href*='walk']")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.closest('#walk tr')?.dataset.row === 'factor-3'")
    page.keyboard.press("Escape")
    page.wait_for_selector("#selected", state="hidden")
    assert page.locator(".selected, .lit").count() == 0
    assert page.evaluate("document.activeElement.closest('#walk') !== null"), "one stays where one was"


def test_the_first_key_skips_to_the_page(opened):
    page = opened("full")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_find_dead_units_sort_them_and_take_them_away(opened, made):
    page = opened("full")
    dead = [
        (units["block"], i)
        for units in made("full").document["results"][0]["units"]
        for i, rate in enumerate(units["rate"])
        if rate == 0
    ]
    assert dead
    tab_to(page, "#units .datatable select")
    page.keyboard.press("ArrowDown")
    rows = page.locator("#units .datatable tbody tr")
    until(page, f"document.querySelectorAll('#units .datatable tbody tr').length === {len(dead)}")
    assert {row.get_attribute("data-row") for row in rows.all()} == {f"unit-{block}-{i}" for block, i in dead}
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    with page.expect_download() as saved:
        page.keyboard.press("Enter")
    table = list(csv.DictReader(io.StringIO(saved.value.path().read_text())))
    assert saved.value.suggested_filename == "units.csv"
    assert [(row["layer"], int(row["unit"])) for row in table] == dead
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowUp")
    tab_to(page, "#units .datatable th:nth-child(5) button")
    page.keyboard.press("Enter")
    rates = [
        float(text.split("%")[0]) for text in page.locator("#units .datatable tbody td:nth-child(5)").all_inner_texts()
    ]
    assert rates == sorted(rates, reverse=True)
    assert page.locator("#units .datatable th:nth-child(5)").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")
    assert page.locator("#units .datatable th:nth-child(5)").get_attribute("aria-sort") == "ascending"


def test_a_file_holds_no_formula(opened):
    page = opened("hostile")
    with page.expect_download() as saved:
        page.locator("#inputs .datatable button", has_text="Save as CSV").click()
    rows = list(csv.reader(io.StringIO(saved.value.path().read_text())))
    fields = [field for row in rows for field in row]
    assert any(field.startswith("'=cmd") for field in fields)
    assert not any(field[:1] in ("=", "+", "@", "\t") for field in fields)
    assert len({len(row) for row in rows}) == 1


def test_no_text_of_a_file_becomes_two_cells(opened):
    """Nor where a spreadsheet takes semicolons for the ends of cells."""
    page = opened("several")
    odd = ["a;b", 'say "so",\nin two lines', "\nx"]
    page.evaluate("(odd) => { document.cnnProbe.document.results[1].classes.names = odd; }", odd)
    page.evaluate("location.hash = 'rank-1/inputs'")
    until(page, "document.querySelector('#inputs tbody').textContent.includes('say')")
    with page.expect_download() as saved:
        page.locator("#inputs .datatable button", has_text="Save as CSV").click()
    text = saved.value.path().read_bytes().decode()
    rows = [*csv.reader(io.StringIO(text, newline=""))]
    place = rows[0].index("label")
    assert {row[place] for row in rows[1:]} == {*odd[:2], "'\nx"}
    assert text.count('"a;b"') == sum(row.count("a;b") for row in rows)


def test_all_numbers_can_be_taken_away(opened, made):
    page = opened("full")
    with page.expect_download() as saved:
        page.locator("#about button", has_text="JSON").click()
    found = json.loads(saved.value.path().read_text())["results"][0]
    own = made("full").document["results"][0]
    assert found["inputs"]["number"] == own["inputs"]["number"].tolist()
    assert len(found["layers"][0]["shares"]) == 4


def test_the_picker(opened):
    page = opened("several")
    tab_to(page, "#result")
    page.keyboard.press("ArrowDown")
    until(page, "document.querySelectorAll('#patterns article').length === 3")
    assert page.evaluate("document.activeElement.id") == "result", "the picker keeps the focus"


def test_a_table_and_a_detail_are_reached_and_scrolled(opened):
    page = opened("full", viewport={"width": 320, "height": 800})
    tab_to(page, "#walk .scroll")
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('#walk .scroll').scrollLeft > 0")
    tab_to(page, "#walk summary")
    page.keyboard.press("Enter")
    page.wait_for_selector("#walk details[open] table")


def test_s_leads_to_what_is_selected_and_back(opened):
    page = opened("full")
    link = "#walk a[data-thing='factor-2']"
    page.locator(link).first.focus()
    page.keyboard.press("s")
    assert page.evaluate("document.activeElement.closest('#walk') !== null"), "nothing is selected"
    page.keyboard.press("Enter")
    page.wait_for_selector("#selected h2")
    page.keyboard.press("s")
    assert page.evaluate("document.activeElement.textContent") == "Pattern 2"
    assert page.evaluate("document.activeElement.closest('#selected') !== null")
    page.keyboard.press("Shift+S")
    assert page.evaluate("(link) => document.activeElement.matches(link)", link)
    page.keyboard.press("s")
    page.keyboard.press("Escape")
    page.wait_for_selector("#selected", state="hidden")
    assert page.evaluate("(link) => document.activeElement.matches(link)", link), "not lost with what was hidden"


def test_s_is_a_letter_where_one_types(opened):
    page = opened("full", "#factor-1")
    page.locator("#units input[type=search]").focus()
    page.keyboard.press("s")
    assert page.locator("#units input[type=search]").input_value() == "s"
    assert page.evaluate("document.activeElement.type") == "search"


def test_keys_that_have_no_name_are_nothing(opened):
    page = opened("full", "#factor-1")
    page.evaluate("document.body.dispatchEvent(new Event('keydown', { bubbles: true }))")
    assert page.locator("#selected h2").inner_text() == "Pattern 1"


def test_what_is_selected_is_skipped_to(opened):
    page = opened("full")
    assert page.locator("a.skip").nth(1).is_hidden()
    page.evaluate("location.hash = '#input-7'")
    page.wait_for_selector("#selected h2")
    page.locator("a.skip").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Input #7"
    assert page.url.endswith("#input-7"), "it is still selected"
