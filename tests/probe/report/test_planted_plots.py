"""Planted numbers, drawn: each figure shows them where they belong."""

from dataclasses import replace

import numpy as np
import pytest

from cnn_probe.measures.causes.travel import TakenApart
from cnn_probe.measures.labels.errors import label_errors
from cnn_probe.measures.units import measure_units
from cnn_probe.report.plots.atlas import atlas
from cnn_probe.report.plots.decision import Decision, decisions_figure
from cnn_probe.report.plots.grid import Bars
from cnn_probe.report.plots.labels import labels_figure
from cnn_probe.report.plots.units import units_figure
from cnn_probe.report.plots.walk import LayerWalk, Walk, walk_figure


def test_units_are_told_apart():
    rows = np.random.default_rng(0).random((50, 5))
    rows[:, 1], rows[:, 3] = 2 * rows[:, 0], 0
    figure = units_figure({"relu": measure_units(rows)})
    widths = {kind.get_label(): kind[0].get_width() for kind in figure.axes[0].containers}
    assert widths == pytest.approx({"dead": 0.2, "redundant": 0.4, "of one class": 0, "others": 0.4})


def planted_walk():
    """Three factors, each in a channel of its own, and in the last in all alike."""
    channels = np.array([[0.9, 0.0, 0.01, 0.09], [0.0, 0.9, 0.01, 0.09], [0.02, 0.02, 0.86, 0.1]])
    maps = np.arange(1.0, 13).reshape(3, 4, 1, 1) * np.ones((3, 4, 2, 2))
    layer = LayerWalk("relu", maps, channels, np.array([0.5, 0.25, 0.125]))
    ends = Bars("adds", "it", list("abcde"), {"": np.arange(15.0).reshape(3, 5) - 7}, signed=True)
    return Walk(None, None, [layer], [ends], ["one", "two", "three"], "said")


def test_a_walk_has_each_factors_own_maps_frames_and_bars():
    found = planted_walk()
    figure = walk_figure(found)
    for row in range(3):
        tiles, bars = figure.axes[2 * row : 2 * row + 2]
        sheet = tiles.images[0].get_array()
        drawn = [float(sheet[0, 3 * column]) for column in range(4)]
        np.testing.assert_allclose(np.square(drawn), found.layers[0].maps[row, :, 0, 0] / 12, rtol=0.01)
        (frame,) = [line.get_xdata() for line in tiles.lines]
        assert frame[0] == 3 * row - 0.5, "the channel that is 1.4 times its mean and more, at its place"
        np.testing.assert_array_equal([bar.get_height() for bar in bars.patches], found.ends[0].groups[""][row])
        said = f"{[50, 25, 12.5][row]:.1f}% of its squares\nmost in {row} ("
        assert any(text.get_text().startswith(said) for text in tiles.texts)


def test_bars_of_many_outputs_are_the_same_in_every_row():
    values = np.zeros((2, 40))
    values[0, 30:35], values[1, 3:20] = 5, 4
    ends = Bars("adds", "it", [str(i) for i in range(40)], {"": values}, signed=True)
    layer = LayerWalk("fc", None, np.full((2, 3), 1 / 3), np.array([0.5, 0.5]))
    figure = walk_figure(Walk(None, None, [layer], [ends], ["", ""]))
    named = [[tick.get_text() for tick in figure.axes[2 * row + 1].get_xticklabels()] for row in range(2)]
    assert named[0] == named[1]
    assert {"30", "31", "32", "33", "34"} <= set(named[0])


def test_the_atlas_has_lifts_where_there_is_something_to_lift():
    shares = np.array([[0.6, 0.39, 0.01, 0.0], [0.2, 0.79, 0.01, 0.0]])
    ends = Bars("% of it", "%", ["x", "y"], {"true": np.array([[90.0, 10], [20, 80]])}, signed=False)
    figure = atlas(None, {"relu": shares}, [ends])
    drawn = figure.axes[1].images[0].get_array()
    np.testing.assert_allclose(np.asarray(drawn)[:, :2], np.log2(shares[:, :2] / shares[:, :2].mean(axis=0)))
    assert np.ma.getmaskarray(np.ma.masked_invalid(drawn))[:, 2:].all(), "many times nothing is nothing"
    np.testing.assert_array_equal(figure.axes[4].images[0].get_array(), ends.groups["true"])


PLACED = np.array([[[-3.0, 0]], [[1, 3]], [[0, 0.5]]])  # parts of three factors at two places


def test_a_decision_shows_the_factor_that_speaks_most_for_it():
    latent = np.ones((3, 1, 2, 2)) * np.array([1.0, 2, 3])[:, None, None, None]
    latent[:, :, 0, 0] = 0.0
    latent[1, :, 0, 1] = 1.0
    taken = TakenApart(
        1, 0, 2.0, np.array([-3.0, 4.0, 0.5]), 0.25, 0.25, np.array([[-3.0, 0], [1, 3], [0, 0.5]]), PLACED
    )
    figure = decisions_figure([Decision(taken, "why", "input", "won", "lost", None, None, latent)])
    np.testing.assert_array_equal(figure.axes[2].images[0].get_array(), [[0, 0.5], [1, 1]])
    assert "factor 2" in figure.axes[2].get_title()
    np.testing.assert_array_equal(figure.axes[3].images[0].get_array(), [[-2.0, 3.5]])
    assert "1 (+3.5), 0 (-2)" in figure.axes[3].get_title()
    against = replace(taken, factors=np.array([-3.0, -1, -0.5]))
    figure = decisions_figure([Decision(against, "why", "input", "won", "lost", None, None, latent)])
    assert "no factor" in figure.axes[2].get_title()
    assert not figure.axes[2].images


def test_labels_that_agree_with_what_is_likeliest_are_not_doubted():
    labels = np.repeat([0, 1], 20)
    sure = np.where(labels[:, None] == [0, 1], 0.9, 0.1)
    sure[3] = [0.2, 0.8]
    figure = labels_figure(label_errors(labels, network=sure), lambda numbers: None)
    said = [ax.get_title() for ax in figure.axes if ax.axison]
    assert [title.split("\n")[0].split()[0] for title in said] == ["#3"]
