"""The orange maps over inputs: their switch, and what is said of them."""


def test_of_how_many_places_they_are_and_what_they_are_not(opened, made):
    part = made("full").document["results"][0]
    height, width = part["factors"]["heat_places"]
    assert part["factors"]["heat"].shape[2:] == (height, width)
    page = opened("full")
    switch = f"Orange: where in each input the pattern is, by {part['factors']['heat_layer']}"
    assert page.get_by_label(switch).is_checked()
    told = page.locator("#patterns > div > .note", has_text="places, enlarged").text_content()
    assert f"{height}×{width} places, enlarged" in told
    assert "no attribution to pixels" in told
    assert "own activations" in told, "the layer was left whole"


def test_without_pictures_nothing_is_said_of_them(opened):
    assert "Orange" not in opened("bare").locator("#patterns").text_content()
