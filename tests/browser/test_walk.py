"""A row of the walk: the inputs, what was found of the pattern beside the layers, and classes true and predicted."""

import numpy as np


def test_a_row_says_what_was_found_of_its_pattern(opened, made):
    part = made("full").document["results"][0]
    page = opened("full", "#walk")
    ablation, stability, parts = part["ablation"], part["stability"], part["class_parts"][0]["parts"]
    for i, row in enumerate(page.locator("#walk table.walk tbody tr").all()):
        inputs = row.locator(".examples a").evaluate_all("(all) => all.map((one) => one.dataset.thing)")
        assert inputs == [f"input-{part['inputs']['number'][place]}" for place in part["factors"]["top"][i][:9]]
        head = row.locator("th").inner_text()
        assert f"{stability['verdicts'][i]}: {stability['counts'][i]}" in head
        hit = ablation["hit"][i]
        change = f"{100 * ablation['change'][i, hit]:+.1f}".replace("-", "−")
        assert f"taken out of {ablation['layer']}: class {ablation['classes'][hit]} {change} points" in head
        assert head.endswith(ablation["said"][i])
        most = int(np.argmax(np.maximum(parts["true"][i], parts["predicted"][i])))
        said = row.locator(".pair").first.inner_text()
        assert part["classes"]["names"][most] in said
        assert f"{parts['true'][i][most]:.0f}%" in said
        assert f"{parts['predicted'][i][most]:.0f}% predicted" in said


def test_what_adding_to_the_outputs_means_is_said_where_it_is_shown(opened):
    told = "the mean over all inputs, less its mean over the outputs"
    assert told in opened("full").locator("#walk").text_content()


def test_the_pattern_and_its_pixels_stay_while_the_layers_go_by(opened):
    page = opened("large", "#walk")
    head = page.locator("#walk tbody th").first
    assert head.locator("canvas.latent").count() == 1
    before = head.bounding_box()["x"]
    page.locator("#walk .scroll").first.evaluate("(one) => { one.scrollLeft = 2000; }")
    assert head.bounding_box()["x"] == before


def test_no_channel_is_named_that_has_next_to_nothing(opened):
    text = opened("mapless", "#walk").locator("#walk").inner_text()
    assert "most in 1 (99%), 2 (1%)\n" in text
    assert "(0%)" not in text


def test_without_maps_none_is_explained(opened):
    page = opened("mapless")
    assert page.locator("canvas.mosaic").count() == 0
    assert "Framed" not in page.locator("#walk").text_content()
    assert "A map is" not in page.locator("#units").text_content()
    assert "where" not in page.locator("#units th").all_text_contents()
    assert "Framed" in opened("full").locator("#walk").text_content()
