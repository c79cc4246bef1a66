"""The patterns at a glance, which a page begins with: they say what the views below say, and lead there."""

import numpy as np
from browsing import until


def test_each_pattern_is_a_link_with_its_picture_its_inputs_its_class_and_what_it_causes(opened, made):
    part = made("full").document["results"][0]
    page = opened("full")
    items = page.locator("#verdicts .glance > li")
    assert items.count() == part["rank"]
    known, caused = part["beyond_chance"], part["ablation"]
    for i, item in enumerate(items.all()):
        assert item.locator("canvas.latent").count() == 1
        first = item.locator("a[data-thing^='input-']").evaluate_all("(all) => all.map((one) => one.dataset.thing)")
        assert first == [f"input-{part['inputs']['number'][place]}" for place in part["factors"]["top"][i][:2]]
        text = item.inner_text()
        goes = f"goes with {known['class'][i]} (×{known['lift'][i]:.1f})" if known["goes"][i] else "goes with no class"
        assert goes in text
        assert ("taken out" in text) is (causes := caused["verdicts"][i] == "causes")
        assert ("others take as much" in text) is (causes and not caused["beyond_alike"][i])
        item.get_by_role("link", name=f"Pattern {i + 1}").click()
        assert page.url.endswith(f"#factor-{i + 1}")
        until(page, f"document.querySelector('#patterns article.selected[data-row=factor-{i + 1}]')")


def test_the_card_of_a_pattern_has_its_verdict_and_what_other_directions_take(opened, made):
    caused = made("full").document["results"][0]["ablation"]
    page = opened("full", "#patterns")
    for at, i in enumerate(caused["factors"]):
        text = page.locator(f"#patterns article[data-row=factor-{i + 1}]").inner_text().replace("\u2212", "-")
        assert f"Verdict: {caused['said'][at]}." in text
        at_least = caused["p_alike"][at] > 1.001 / (1 + caused["n_shuffles"])
        assert (
            f"{caused['n_shuffles']} drawn like the layer's own activations {100 * caused['alike'][at]:+.1f} "
            f"(p {'=' if at_least else chr(0x2264)} {caused['p_alike'][at]:.3f})"
        ) in text
        assert f"the first principal direction {100 * np.min(caused['principal'][at]):+.1f}." in text


def test_a_chance_that_no_direction_came_up_to_is_told_as_the_most_that_it_can_be(opened, made):
    caused = made("unreached").document["results"][0]["ablation"]
    page = opened("unreached", "#patterns")
    for i, told in zip(caused["factors"], ("p \u2264 0.048", "p = 0.095"), strict=False):
        text = page.locator(f"#patterns article[data-row=factor-{i + 1}]").inner_text()
        assert text.count(f"({told})") == 2, "of both kinds of directions"


def test_there_is_none_without_pictures(opened):
    assert opened("bare").locator(".glance").count() == 0


def test_many_patterns_are_one_line_that_scrolls(opened, made):
    rank = made("large").document["results"][0]["rank"]
    page = opened("large", viewport={"width": 375, "height": 800})
    line = page.get_by_role("region", name=f"12 of {rank} patterns at a glance")
    assert line.locator("li").count() == 12
    assert line.evaluate("(one) => one.scrollWidth > one.clientWidth && one.clientWidth <= 375")
