"""A page without images holds no picture and no map, under whatever name: nothing with two axes of places."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from made_pages import compared_with
from pages import document_in
from seeded import seeded
from torch import nn

from cnn_probe import ask, probe, save_page
from cnn_probe.report.publish import publish
from cnn_probe.runs.study_pairs import compare_pairs
from cnn_probe.runs.study_run import Teller
from cnn_probe.studies import STUDIES, Settings
from cnn_probe.studies.runner import run_studies

SIDES = ((13, 17), (11, 15), (9, 13), (14, 14), (11, 14))  # of pictures, of layers, of maps on a page


def shapes_in(value: Any) -> Iterator[tuple[int, ...]]:
    """Shapes of all arrays of a document, and of lists that could be arrays."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from shapes_in(inner)
    elif isinstance(value, np.ndarray):
        yield value.shape
    elif isinstance(value, list | tuple):
        numbers = numbers_in(value)
        if numbers is not None:
            yield numbers.shape
        else:
            for inner in value:
                yield from shapes_in(inner)


def numbers_in(values: Any) -> Any:
    try:
        found = np.array(values)
    except ValueError:
        return None
    return found if found.size and found.dtype.kind in "biuf" else None


def is_of_places(shape: tuple[int, ...]) -> bool:
    """Whether two axes are those of a picture or a map, be they one after the other or in a row."""
    flat = {height * width for height, width in SIDES}
    return any(pair in SIDES for pair in pairwise(shape)) or bool(flat & set(shape))


def wide(k, **how):
    """What a network says of pictures whose sides nothing else has."""
    images = torch.rand(40, 1, 13, 17, generator=torch.Generator().manual_seed(0))
    net = seeded(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(702, 3))
    labels = np.arange(40) % 3
    return ask(probe(net, images, n_components=k, tol=0.01, **how), images, labels=labels)


@pytest.fixture(scope="module", params=["whole", "token"])
def pages(request, tmp_path_factory):
    """All that a page can say, with and without images."""
    first, second = wide(3, pool=request.param), wide(2, pool=request.param)
    told = {"full": True, "comparison": compared_with(first, second, "other")}
    if request.param == "whole":
        told["ablation"] = first.causes()
    folder = tmp_path_factory.mktemp("pages")
    return [document_in(save_page(first, folder / f"{with_}.html", images=with_, **told)) for with_ in (True, False)]


def test_no_array_has_two_axes_of_places(pages):
    whole, hidden = pages
    assert len([one for one in shapes_in(whole) if is_of_places(one)]) >= 5, "there is something to leave out"
    assert not [one for one in shapes_in(hidden) if is_of_places(one)]
    assert max(map(len, shapes_in(hidden))) <= 2


def test_numbers_of_single_channels_stay(pages):
    units, layers = pages[1]["results"][0]["units"], pages[1]["results"][0]["layers"]
    whole = pages[0]["results"][0]
    for one, with_images in zip(units, whole["units"], strict=True):
        assert one["maps"] is None
        assert one["n"] == (with_images["n"] if one["kind"] == "channel" else 0)
        assert one["neurons"] == with_images["neurons"]
    assert [one["maps"] for one in layers] == [None, None]


@pytest.fixture
def told_studies(few_digits, tmp_path, unrendered):
    """A page of studies with images, and one without."""
    settings, found = Settings(ranks=(3, 2), seeds=(0,), max_iter=5), []
    for images in (True, False):
        out, quiet = tmp_path / str(images), lambda what, done, total: None
        results = run_studies(
            [STUDIES[name] for name in ("order", "untrained")],
            few_digits,
            settings,
            out,
            tell_more=Teller(images, quiet),
        )
        compare_pairs(results, few_digits, settings, out, images=images, progress=quiet)
        found.append(document_in(publish(results, out, images=images)))
    return found


def test_the_page_of_studies_says_of_neurons_how_many_they_are_and_not_where(told_studies):
    whole, hidden = told_studies
    firing = [one["classes"]["firing"] for one in whole["studies"] if one["classes"] and "firing" in one["classes"]]
    without = [one["classes"]["firing"] for one in hidden["studies"] if one["classes"] and "firing" in one["classes"]]
    assert len(firing) == len(without) > 0
    for one, other in zip(firing, without, strict=True):
        assert all(rates.shape[2:] == (4, 4) for rates in one["rates"]), "there is something to leave out"
        assert other == {**other, "counts": one["counts"], "own": one["own"], "rates": None, "groups": None}
    assert not [one for one in shapes_in(hidden) if (4, 4) in pairwise(one) or len(one) > 3]
    assert max(len(one) for one in shapes_in(hidden["results"])) <= 2
