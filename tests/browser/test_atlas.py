"""The atlas: its cells, bars and marks, held against the document's numbers."""

import numpy as np
import pytest
from browsing import until

PIXELS = """(one) => Array.from(one.getContext("2d").getImageData(0, 0, one.width, one.height).data)"""


@pytest.fixture
def part(made):
    return made("full").document["results"][0]


def painted(page, sheet):
    canvas = page.locator("#atlas figure").nth(sheet).locator("canvas.cells")
    until(page, f"document.querySelectorAll('#atlas canvas.cells')[{sheet}].painted")
    width, height = canvas.evaluate("(one) => [one.width, one.height]")
    return canvas, np.reshape(canvas.evaluate(PIXELS), (height, width, 4))


def test_cells_are_lifts_and_bars_mean_shares(opened, part):
    page = opened("full", "#atlas")
    for at, layer in enumerate(part["layers"]):
        _, pixels = painted(page, at)
        shares, lift = layer["shares"].astype(float), layer["lift"].astype(float)
        mean = shares.mean(axis=0)
        assert pixels.shape[:2] == lift.shape
        with np.errstate(divide="ignore"):
            depth = np.clip(np.log2(lift) / 3, -1, 1)
        little = np.maximum(shares, mean) < 0.02
        np.testing.assert_allclose(pixels[..., 3], np.where(little, 50, 255 * np.abs(depth)), atol=1)
        seen = ~little & (np.abs(depth) > 0.2)
        blue = pixels[..., 2] > pixels[..., 0]
        np.testing.assert_array_equal(blue[seen], (depth > 0)[seen])
        bars = page.locator("#atlas figure").nth(at).locator(".column")
        parts = bars.evaluate_all("(all) => all.map((one) => parseFloat(one.style.getPropertyValue('--part')))")
        np.testing.assert_allclose(parts, 100 * mean / mean.max(), atol=0.01)


def test_cells_of_outputs_and_classes_are_in_numbers_as_well(opened, part):
    page = opened("full", "#atlas")
    n = len(part["layers"])
    added, classes = part["added"]["values"], part["class_parts"][0]["parts"]["true"]
    for sheet, values in ((n, added), (n + 1, classes)):
        _, pixels = painted(page, sheet)
        np.testing.assert_allclose(pixels[..., 3], 255 * np.abs(values) / np.abs(values).max(), atol=1)
    page.locator("#atlas summary").first.click()
    cells = page.locator("#atlas details[open] tbody tr").first.locator("td").all_inner_texts()
    assert [float(cell.replace("−", "-")) for cell in cells] == pytest.approx(added[0].tolist(), abs=0.006)


def test_a_cell_selects_its_channel_and_what_is_selected_is_marked(opened, part):
    page = opened("full", "#atlas/factor-1")
    canvas, pixels = painted(page, 0)
    box = canvas.bounding_box()
    columns = pixels.shape[1]
    at = {"x": box["width"] * 2.5 / columns, "y": box["height"] * 0.5 / part["rank"]}
    canvas.hover(position=at)
    until(page, "document.querySelector('#atlas .column.pointed')")
    assert canvas.get_attribute("title").startswith("pattern 1, channel 2: ")
    canvas.click(position=at)
    key = f"unit-{part['layers'][0]['block']}-2"
    until(page, f"document.querySelector('#atlas .column.selected')?.dataset.row === '{key}'")
    assert page.url.endswith(f"#{key}")
    page.locator("#atlas .rows a").nth(1).click()
    until(page, "document.querySelector('#atlas .rows li.selected')?.dataset.row === 'factor-2'")
    using = {
        f"unit-{layer['block']}-{c}"
        for layer in part["layers"]
        for c in np.flatnonzero((layer["shares"][1] >= 0.02) & (layer["lift"][1] >= 1.4))
    }
    lit = page.locator("#atlas .column.lit[data-row^=unit]").evaluate_all("(all) => all.map((one) => one.dataset.row)")
    assert set(lit) == using


def test_of_many_channels_those_of_the_largest_share_are_shown_and_it_says_so(opened, made):
    layer = made("large").document["results"][0]["layers"][0]
    page = opened("large", "#atlas")
    sheet = page.locator("#atlas figure").first
    assert f"16 of {layer['n_channels']} channels: those of the largest share" in sheet.inner_text()
    largest = np.sort(np.argsort(-layer["shares"].max(axis=0), kind="stable")[:16])
    assert sheet.locator(".column").all_inner_texts() == [str(c) for c in largest]


def test_rows_lie_beside_each_other(opened, part):
    page = opened("full", "#atlas")
    tops = page.locator("#atlas .rows li").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().top)")
    for canvas in page.locator("#atlas canvas.cells").all():
        top, height = canvas.evaluate("(one) => (({ top, height }) => [top, height])(one.getBoundingClientRect())")
        np.testing.assert_allclose(tops, top + height * np.arange(part["rank"]) / part["rank"], atol=1.5)
