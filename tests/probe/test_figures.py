"""What is drawn is all there, and means one thing."""

import io

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from studied import network_record, trained

from cnn_probe.report.figures import EVERYTHING, error_curves, latent_images, neuron_heatmaps, spectrum
from cnn_probe.report.run_figures import feature_maps

HALF = trained(fraction=0.5)
BY_CLASS = trained(order=(1, 0))


@pytest.mark.parametrize("k", [2, 5, 10])
def test_titles_of_latent_images_are_whole(k):
    rng = np.random.default_rng(0)
    figure, file = latent_images(rng.random((k, 1, 28, 28)), np.eye(10)[:k], "0123456789"), io.BytesIO()
    figure.savefig(file, dpi=110, format="png")
    file.seek(0)
    assert matplotlib.image.imread(file)[0].min() == 1, "ink in the top row of pixels"


@pytest.mark.parametrize("shape", [(1, 10, 12, 12), (2, 20, 4, 4), (1, 30)])
def test_all_that_is_written_lies_within_the_figure_with_few_factors(shape):
    figure = feature_maps("relu1", np.random.default_rng(0).random(shape))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    bar = figure.axes[-1]
    texts = [figure.axes[0].title, bar.yaxis.label, figure.axes[0].xaxis.label, figure.axes[0].yaxis.label]
    for text in texts:
        box = text.get_window_extent(canvas.get_renderer())
        assert not text.get_text() or (box.y0 >= 0 and box.y1 <= figure.bbox.y1), text.get_text()


def test_neighbouring_factors_do_not_blend():
    figure = neuron_heatmaps({"all": {"relu1": np.eye(3)}})
    assert figure.axes[0].images[0].get_interpolation() == "nearest"


def test_what_is_trained_on_everything_has_one_colour_in_all_figures():
    all_of_it, half, by_class = network_record(), network_record(training=HALF), network_record(training=BY_CLASS)
    studies = [{"50%": [half], "100%": [all_of_it]}, {"shuffled": [all_of_it], "class by class": [by_class]}]
    for records in studies:
        for figure in (error_curves(records, [2, 3]), spectrum(records, "relu1")):
            colours = [line.get_color() for line in figure.axes[0].get_lines()]
            found = dict(zip(records, colours, strict=True))
            assert [label for label, colour in found.items() if colour == EVERYTHING] == [
                label for label in records if label in ("100%", "shuffled")
            ]
