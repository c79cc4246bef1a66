"""What is drawn is all there, and means one thing."""

import io
import itertools

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from studied import network_record

from cnn_probe.report.figures import (
    EVERYTHING,
    UNTRAINED,
    Styles,
    class_overlap,
    error_curves,
    feature_maps,
    firing_groups,
    firing_maps,
    latent_images,
    neuron_maps,
    recognized_classes,
    spectrum,
)
from cnn_probe.report.figures.curves import FLOOR
from cnn_probe.studies.record import FitRecord

LAYERS = ("relu1", "relu2")
PLAN = {
    "fraction": 1.0, "n_images": None, "classes": None, "order": "shuffled", "max_steps": None, "shuffle_labels": False,
    "epochs": 1, "seed": 0,
}  # fmt: skip


def trained(layers=LAYERS, *, error=0.2, **plan):
    """A record whose fits of all ranks leave so much of each layer, and of all together a fourth of the square."""
    blocks = ("pixels", *layers)
    raw = FitRecord(3.0, dict.fromkeys(blocks, 3.0), dict.fromkeys(blocks, 0.9), 0.4, 9, 0.5, [0.4])
    balanced = FitRecord(
        9.0, dict.fromkeys(blocks, 9.0), {b: error + i for i, b in enumerate(blocks)}, 0.3, 9, 0.5, [0.3]
    )
    return network_record(
        layers,
        training={"plan": {**PLAN, **plan}},
        fits={2: raw, 3: raw},
        balanced={2: balanced, 3: balanced},
        svd_floor={2: 0.1, 3: 0.1},
    )


def drawn(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def named(figure):
    """Lines of the legend, by name: colour, mark, dash."""
    (legend,) = figure.legends
    lines = zip(legend.get_texts(), legend.get_lines(), strict=True)
    return {text.get_text(): (to_hex(x.get_color()), x.get_marker(), x.get_linestyle()) for text, x in lines}


@pytest.mark.parametrize("k", [2, 5, 10])
def test_titles_of_latent_images_are_whole(k):
    rng = np.random.default_rng(0)
    figure, file = latent_images(rng.random((k, 1, 28, 28)), np.eye(10)[:k], "0123456789"), io.BytesIO()
    figure.savefig(file, dpi=110, format="png")
    file.seek(0)
    assert matplotlib.image.imread(file)[0].min() == 1, "ink in the top row of pixels"


@pytest.mark.parametrize("shape", [(1, 10, 12, 12), (2, 20, 4, 4), (1, 30)])
def test_all_that_is_written_lies_within_the_figure_with_few_factors(shape):
    pattern = np.random.default_rng(0).random(shape)
    for figure in (feature_maps("relu1", pattern), neuron_maps({"all": pattern, "some": pattern}, "relu1")):
        renderer, bar = drawn(figure), figure.axes[-1]
        texts = [figure.axes[0].title, bar.yaxis.label, figure.axes[0].xaxis.label, figure.axes[0].yaxis.label]
        for text in texts:
            box = text.get_window_extent(renderer)
            assert not text.get_text() or (box.y0 >= 0 and box.y1 <= figure.bbox.y1), text.get_text()


@pytest.mark.parametrize("n_conditions", [1, 4, 12])
def test_titles_do_not_overlap_with_five_layers_and_many_conditions(n_conditions):
    layers = tuple(f"features.{i}.block.activation" for i in range(5))
    records = {f"a condition with a long name {i}": [trained(layers, order=[i])] for i in range(n_conditions)}
    maps = {name: np.random.default_rng(0).random((10, 20, 4, 4)) for name in records}
    for figure in (
        error_curves(records, [2, 3]), neuron_maps(maps, layers[0]), firing_maps(maps, "0123456789"),
        firing_groups(maps, "0123456789"), class_overlap({name: np.eye(10) for name in records}, "0123456789"),
    ):  # fmt: skip
        renderer = drawn(figure)
        texts = [ax.title for ax in figure.axes if ax.get_title()]
        texts += [ax.yaxis.label for ax in figure.axes if ax.get_ylabel()]
        boxes = [text.get_window_extent(renderer) for text in texts] + [
            legend.get_window_extent(renderer) for legend in figure.legends
        ]
        for (a, box), (b, other) in itertools.combinations(enumerate(boxes), 2):
            assert not box.overlaps(other), (a, b)


def test_neighbouring_factors_do_not_blend():
    figure = neuron_maps({"all": np.eye(3)}, "relu1")
    assert figure.axes[0].images[0].get_interpolation() == "nearest"


def test_a_condition_has_one_style_in_all_figures_and_no_other_has_it():
    """Whatever a study calls it, and whichever seed it is."""
    orders = {f"order {i}": [trained(order=[i]), trained(order=[i], seed=1)] for i in range(40)}
    fractions = {"50%": [trained(fraction=0.5)], "100%": [trained()], "untouched": [trained(max_steps=0)]}
    fractions |= {"8 epochs": [trained(epochs=8)]}
    again = {"untouched": [trained(max_steps=0)], "7": orders["order 7"][1:], "shuffled": [trained(seed=3)]}
    styles = Styles.of([fractions, orders, again])
    found = [named(error_curves(records, [2, 3], styles)) for records in (fractions, orders, again)]
    for of, records in zip(found, (fractions, orders, again), strict=True):
        lines = named(spectrum(records, "relu2", styles=styles))
        assert lines == {name: of[name] for name in lines}
        assert list(lines) == list(records)
    assert found[2]["7"] == found[1]["order 7"]
    assert found[0]["100%"] == found[2]["shuffled"] == (to_hex(EVERYTHING.colour), EVERYTHING.marker, EVERYTHING.dash)
    assert found[0]["untouched"] == found[2]["untouched"]
    every = [found[0][name] for name in fractions] + [found[1][name] for name in orders]
    assert len(set(every)) == 44
    twelve = list(found[1].values())[:12]
    assert len({(colour, mark) for colour, mark, _ in twelve}) == 12, "by the marks where there is no room for dashes"


def test_error_curves_are_the_papers_and_each_layers_beside_the_floor():
    records = {"all": [trained(error=0.2), trained(error=0.4)], "half": [trained(fraction=0.5)]}
    figure = error_curves(records, [2, 3])
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "RMSE (unit of pixels and activations)", *["relative error (part of ‖A‖²)"] * 2,
    ]  # fmt: skip
    assert all(len(ax.get_lines()) == 2 * len(records) for ax in figure.axes)
    assert [len(ax.collections) for ax in figure.axes] == [1, 1, 1], "a band where there are several seeds"
    curves = [[line.get_ydata()[0] for line in ax.get_lines()] for ax in figure.axes]
    assert curves[0] == pytest.approx([3.0, 1.5, 3.0, 1.5]), "the floor of all is a fourth of the square"
    for i, panel in enumerate(curves[1:], start=1):
        assert panel[0] == pytest.approx(0.3 + i), "the mean of the balanced fits"
        assert panel[1] == pytest.approx(1 / 14), "of the singular values 3, 2, 1, at rank 2"
    assert list(named(figure)) == ["all", "half", FLOOR], "whole names"


def test_a_spectrum_is_raw_and_over_its_first_beside_the_untrained():
    records, untouched = {"all": [trained()]}, [trained(max_steps=0)]
    raw, scaled = spectrum(records, "relu1", untrained=untouched).axes
    assert [line.get_ydata().tolist() for line in raw.get_lines()] == [[3, 2, 1]] * 2
    assert scaled.get_lines()[0].get_ydata() == pytest.approx([1, 2 / 3, 1 / 3])
    assert raw.get_lines()[1].get_color() == UNTRAINED.colour
    assert raw.get_yscale() == scaled.get_yscale() == "log"
    assert len(spectrum(records, "relu1").axes[0].get_lines()) == 1
    both = {**records, "untouched": untouched}
    assert len(spectrum(both, "relu1", untrained=untouched).axes[0].get_lines()) == 2, "it is not drawn twice"


def test_channels_have_edges_and_numbers_and_conditions_one_scale():
    low, high = np.full((2, 5, 3, 3), 0.1), np.full((2, 5, 3, 3), 0.9)
    figure = neuron_maps({"low": low, "high": high}, "relu1")
    panels = [ax for ax in figure.axes if ax.get_ylabel() == "factor"]
    assert [tick.get_text() for tick in panels[0].get_xticklabels()] == ["1", "2", "3", "4", "5"]
    assert panels[0].get_xlabel() == "channel"
    assert [ax.images[0].norm.vmax for ax in panels] == pytest.approx([0.9, 0.9])
    sheet = np.ma.filled(panels[0].images[0].get_array(), np.nan)
    assert sheet.shape == (2 * 4 - 1, 5 * 4 - 1)
    assert np.isnan(sheet).all(axis=0).nonzero()[0].tolist() == [3, 7, 11, 15]
    flat = neuron_maps({"flat": np.ones((2, 7))}, "fc").axes[0]
    assert (flat.get_xlabel(), flat.images[0].get_array().shape) == ("neuron", (3, 7))


def test_groups_say_how_many_neurons_fire_and_how_many_are_of_one_class():
    rates = np.zeros((3, 2, 2, 2))
    rates[0, 0], rates[1, 0, 0], rates[2, 1, 1, 1] = 0.9, 0.6, 0.5  # half of the images are not most
    panel = firing_groups({"all": rates}, ["a", "b", "c"]).axes[0]
    assert [text.get_text() for text in panel.texts] == ["4, own 2", "2, own 0", "0, own 0"]
    sheet = np.ma.filled(panel.images[0].get_array(), np.nan)
    assert sheet[0:2, 0:2].tolist() == [[2, 2], [1, 1]]
    assert np.isnan(sheet[6:8]).all(), "no neuron fires for c"
    assert "8 neurons" in panel.get_title()


def test_classes_are_read_in_the_order_of_their_training():
    of = {0: 0.1, 1: 0.9, 2: 0.4}
    runs = [network_record(class_accuracy=of, training={"plan": {**PLAN, "order": [2]}})]
    other = [network_record(class_accuracy=of, training={"plan": PLAN})]
    panel = recognized_classes({"two first": runs, "shuffled": other}, ["a", "b", "c"]).axes[0]
    assert [text.get_text() for text in panel.texts] == ["c\n40%", "a\n10%", "b\n90%"]
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["two first"]
    assert panel.images[0].get_array().tolist() == [[0.4, 0.1, 0.9]]
