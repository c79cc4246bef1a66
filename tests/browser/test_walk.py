"""The walk of a pattern: what is named in its cells."""


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
