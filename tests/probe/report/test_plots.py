"""Every answer is drawn, of any network and data, and what is drawn is what was measured."""

import copy
import io
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from seeded import seeded
from torch import nn
from torch.utils.data import DataLoader

from cnn_probe import ImageSet, ask, compare, draw, probe
from cnn_probe.measures.comparing.stability import factor_stability
from cnn_probe.measures.patterns.channels import channel_maps, channel_shares, lift
from cnn_probe.report.material import Material
from cnn_probe.report.plots.causes import causes_figure
from cnn_probe.report.plots.comparison import comparison_figure
from cnn_probe.report.plots.grid import QUIET
from cnn_probe.report.plots.residuals import residuals_figure
from cnn_probe.report.plots.stability import stability_figure
from cnn_probe.report.plots.units import units_figure
from cnn_probe.report.plots.use import network_use_figure

IMAGES = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(40) % 3
NAMES = ["cat", "</script>$x$", "\u05d0" * 60]
ALWAYS = {"units", "residuals", "walk", "atlas"}


def whole():
    return seeded(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 30, 3), nn.ReLU(), nn.Flatten(), nn.Linear(480, 3))


def pooled():
    return seeded(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 40))


def split():
    return seeded(nn.Flatten(), nn.Linear(192, 7), nn.GELU(), nn.Linear(7, 3))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = seeded(nn.Linear(5, 8), nn.ReLU())

    def forward(self, tokens):
        return self.first(tokens).mean(dim=1)


@pytest.fixture(scope="module")
def answers():
    labelled = ImageSet(IMAGES, LABELS)
    return ask(probe(whole(), labelled, n_components=4), labelled, labels=LABELS.numpy(), class_names=NAMES)


@pytest.fixture(scope="module")
def figures(answers):
    return draw(answers, full=True, ablation=answers.causes(n_shuffles=20))


def test_each_answer_has_its_figure(figures):
    assert list(figures) == [
        *("latent-images", "inputs", "walk", "atlas", "decisions", "causes"),
        *("units", "residuals", "labels", "use", "stability"),
    ]


@pytest.mark.parametrize(
    ("made", "data", "how", "lacking"),
    [
        (pooled(), IMAGES, {"pool": "mean"}, set()),
        (pooled(), IMAGES, {"pool": "max", "inputs": False}, {"latent-images", "decisions"}),
        (split(), IMAGES, {"negative": "split"}, set()),
        (split(), IMAGES, {"negative": "shift"}, set()),
        (whole(), IMAGES, {"layers": ["1"]}, {"decisions"}),
        (Tokens(), torch.rand(40, 6, 5), {"inputs": False}, {"latent-images", "inputs", "decisions"}),
        (Tokens(), torch.rand(40, 6, 5), {"inputs": False, "pool": "token"}, {"latent-images", "inputs", "decisions"}),
    ],
    ids=["pooled", "no pixels", "split", "shift", "no head", "tokens", "by token"],
)
def test_any_network_is_drawn_without_labels(made, data, how, lacking):
    drawn = draw(ask(probe(made, data, n_components=3, **how), data))
    assert set(drawn) >= ALWAYS
    assert set(drawn) == {"latent-images", "inputs", "decisions", *ALWAYS} - lacking
    for figure in drawn.values():
        figure.savefig(io.BytesIO(), format="png", dpi=30)


@pytest.mark.parametrize("k", [1, 25])
def test_few_and_many_factors_are_drawn(k):
    drawn = draw(ask(probe(whole(), IMAGES, n_components=k, max_iter=5, tol=0), IMAGES))
    for figure in drawn.values():
        figure.savefig(io.BytesIO(), format="png", dpi=30)


def test_what_is_written_lies_within_the_figures(figures):
    for name, figure in figures.items():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        for ax in figure.axes:
            if not ax.axison:
                continue
            for text in (ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts, *figure.texts):
                box = text.get_window_extent(canvas.get_renderer())
                inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
                assert not text.get_text() or inside, (name, text.get_text())


def test_bars_of_a_decision_add_up_to_its_margin(figures, answers):
    middle = figures["decisions"].axes[1]
    heights = [bar.get_height() for bar in middle.patches]
    margin = np.diff(np.sort(answers.result.scores, axis=1)[:, -2:], axis=1).min()
    assert sum(heights) == pytest.approx(margin, abs=1e-4)
    assert len(heights) == 4 + 2, "four factors, what is left, and the bias"


def test_a_decision_is_refused_for_what_is_not_there(answers):
    with pytest.raises(ValueError, match="number must be from 0 to 39, got 40"):
        answers.decision(40)
    with pytest.raises(ValueError, match="other must be from 0 to 2, got 3"):
        answers.decision(0, other=3)


def test_causes_are_drawn_as_measured(answers):
    found = answers.causes(n_shuffles=20)
    figure = causes_figure(found)
    present = np.flatnonzero(found.n_inputs)
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), 100 * found.change[:, present])
    said = [text.get_text() for text in figure.axes[1].texts]
    assert [text.startswith("causes") for text in said] == found.causes.tolist()


def test_a_chance_that_is_the_least_of_so_many_shuffles_is_an_upper_bound(answers):
    found = answers.causes(n_shuffles=20)
    found = replace(found, p_value=np.array([1, 2, 21, 21]) / 21, p_alike=np.array([3, 1, 2, 2]) / 21)
    said = [text.get_text() for text in causes_figure(found).axes[1].texts]
    for text, chances in zip(said, (("≤ 0.048", "= 0.14"), ("= 0.095", "≤ 0.048")), strict=False):
        assert f"(p {chances[0]}; beside directions like the layer p {chances[1]};" in text


def test_units_are_counted_once_each(answers):
    figure = units_figure(answers.units)
    assert "dead: active for less than 7.2% of such inputs" in figure.axes[1].get_title(), "40 inputs"
    widths = np.array([[bar.get_width() for bar in kind] for kind in figure.axes[0].containers])
    np.testing.assert_allclose(widths.sum(axis=0), 1)
    dead = [own.channels.dead.mean() for own in answers.units.values()]
    np.testing.assert_allclose(widths[0], dead)
    assert "means" not in figure.axes[0].get_xlabel()


def test_units_that_were_pooled_are_said_to_be():
    figure = draw(ask(probe(pooled(), IMAGES, n_components=3, pool="mean"), IMAGES))["units"]
    assert figure.axes[0].get_yticklabels()[0].get_text().endswith("(6 channels, means)")
    assert figure.axes[0].get_xlabel().endswith("means, maxima: alike in how much, not in where")


def test_errors_are_drawn_as_measured(answers):
    figure = network_use_figure(answers.use)
    drawn = {line.get_label(): line.get_xdata() for line in figure.axes[0].get_lines()}
    expected = [block.svd_floor for block in (*answers.use.blocks, answers.use.together)]
    np.testing.assert_allclose(drawn["least of any (SVD)"], expected)


def test_a_worst_input_that_is_far_off_does_not_hide_the_others(answers):
    found = copy.deepcopy(answers.residuals)
    found.by_block[3, 0] = 1e6
    figure = residuals_figure(found, found.worst(2), None, ["a", "b"])
    assert figure.axes[0].get_xlim()[1] < 2
    assert "#3: 1e+06" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("kind", ["concepts", "masks"])
def test_concepts_are_drawn_as_measured(answers, kind):
    known = {"odd": np.arange(40) % 2 == 1, NAMES[1]: np.arange(40) < 20}
    if kind == "concepts":
        found = answers.concepts(known)
        values, above = found.factors.auc, found.factors.above_chance
    else:
        found = answers.masks({name: np.tile(own[:, None, None], (1, 8, 8)) for name, own in known.items()})
        values, above = found.factors.iou, found.factors.above_chance
    figure = draw(answers, concepts=found)["concepts"]
    figure.savefig(io.BytesIO(), format="png", dpi=30)
    drawn = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(drawn[:4], values)
    best = [getattr(one, "auc" if kind == "concepts" else "iou").max(axis=0) for one in found.units.values()]
    np.testing.assert_array_equal(drawn[4:], best)
    said = [text.get_text().endswith("*") for text in figure.axes[0].texts[:8]]
    assert said == above.ravel().tolist()


def test_stability_is_drawn_without_halves(answers):
    found = factor_stability(answers.X, answers.result.model, answers.result.F, n_starts=2, n_splits=0)
    figure = stability_figure(found)
    texts = figure.axes[0].texts
    assert [text.get_text().split(" (")[0] for text in texts] == list(found.verdicts)
    assert "comes out of other starts" in found.verdicts
    assert {text.get_color() for text in texts} == {QUIET}, "nothing is said to hold"


def test_a_comparison_is_drawn_with_its_verdicts(answers):
    other = probe(pooled(), ImageSet(IMAGES, LABELS), n_components=3)
    starts = [np.random.default_rng(i).random((40, 4)) for i in range(3)]
    found = compare(answers.result, other, starts_a=starts, X_a=answers.X)
    figure = comparison_figure(found, ("a $name$", "the other"))
    figure.savefig(io.BytesIO(), format="png", dpi=30)
    verdicts = [text.get_text() for text in figure.axes[1].texts]
    assert verdicts == list(found.table()["verdict"])


def test_shares_of_channels_are_of_the_squares_of_their_components(answers):
    maps = channel_maps(answers.result)
    shares = channel_shares(maps)
    assert {name: own.shape for name, own in maps.items()} == {"1": (4, 4, 6, 6), "3": (4, 30, 4, 4)}
    H = answers.result.model.block_components_["3"].reshape(4, 30, 16).astype(np.float64)
    expected = (H**2).sum(axis=2) / (H**2).sum(axis=(1, 2))[:, None]
    np.testing.assert_allclose(shares["3"], expected)
    np.testing.assert_allclose(lift(shares["3"]).mean(axis=0)[shares["3"].mean(axis=0) > 0], 1)


def test_inputs_and_heat_are_those_of_each_factor(answers):
    material = Material(answers)
    top = answers.patterns.top
    np.testing.assert_array_equal(material.top_pictures, IMAGES.numpy()[top])
    where = answers.result.places(IMAGES, ["1", "3"])
    assert set(material.heat) == {"1", "3"}
    for name, found in material.heat.items():
        for factor in range(4):
            np.testing.assert_allclose(found[factor], where[name][top[factor], factor], rtol=1e-4, atol=1e-6)


def test_heat_of_a_pooled_layer_is_what_where_says():
    result = probe(pooled(), DataLoader(IMAGES, batch_size=7), n_components=3, pool="mean")
    found = Material(ask(result, DataLoader(IMAGES, batch_size=7)))
    where = result.where(IMAGES)
    for factor in range(3):
        expected = where[found.top[factor], factor]
        np.testing.assert_allclose(found.heat["1"][factor], expected, rtol=1e-4, atol=1e-6)


def test_what_is_added_to_the_outputs_is_centred(figures, answers):
    bars = figures["walk"].axes[4]
    centred = answers.added - answers.added.mean(axis=1, keepdims=True)
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], centred[0])


def test_the_clearest_decision_against_its_label_is_found(answers):
    scores, labels = answers.result.scores, answers.labels
    wrong = [n for n in range(40) if scores[n].argmax() != labels[n]]
    margin = {n: np.diff(np.sort(scores[n])[-2:])[0] for n in wrong}
    titles = [ax.get_title() for ax in draw(answers)["decisions"].axes]
    (drawn,) = [title for title in titles if title.startswith("the clearest against its label")]
    assert drawn.endswith(f"= {max(margin.values()):.3g}")


def test_outputs_are_not_given_names_of_other_classes():
    data = ImageSet(IMAGES, LABELS)
    answers = ask(probe(pooled(), data, n_components=2), data, labels=LABELS.numpy(), class_names=["a", "b", "c"])
    walk = draw(answers)["walk"]
    titles = [ax.get_title() for ax in walk.axes[: len(walk.axes) // 2]]
    assert titles[-2:] == ["% of its amount, by true class", "% of its amount, by predicted class"]
    named = [[tick.get_text() for tick in ax.get_xticklabels()] for ax in walk.axes[len(titles) - 2 : len(titles)]]
    assert named[0] == ["a", "b", "c"]
    assert all(name.isdigit() for name in named[1])


def test_one_output_is_drawn_as_it_is():
    made = seeded(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 1))
    with pytest.warns(UserWarning, match="not a score for each class"):
        answers = ask(probe(made, IMAGES, n_components=2), IMAGES)
    drawn = draw(answers)
    assert drawn["walk"].axes[3].get_title() == "adds to the output"
    assert drawn["walk"].axes[3].patches[0].get_height() == pytest.approx(answers.added[0, 0])


def test_the_untrained_network_stands_beside_on_the_same_scales(answers):
    labelled = ImageSet(IMAGES, LABELS)
    faint = whole()
    with torch.no_grad():
        faint[-1].weight.mul_(0.01)
    beside = ask(probe(faint, labelled, n_components=4), labelled, labels=LABELS.numpy(), class_names=NAMES)
    drawn = draw(ask(answers.result, labelled, labels=LABELS.numpy(), class_names=NAMES, untrained=beside))
    assert {"untrained-latent-images", "untrained-walk", "untrained-atlas"} <= set(drawn)
    assert drawn["untrained-walk"].axes[4].get_ylim() == drawn["walk"].axes[4].get_ylim()
    assert "untrained" in drawn["untrained-walk"].texts[0].get_text()


def test_an_untrained_network_of_other_inputs_or_layers_is_refused(answers):
    other = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    beside = ask(probe(whole(), ImageSet(other, LABELS), n_components=4), ImageSet(other, LABELS))
    with pytest.raises(ValueError, match="untrained is of other inputs"):
        ask(answers.result, ImageSet(IMAGES, LABELS), untrained=beside)
    beside = ask(probe(pooled(), ImageSet(IMAGES, LABELS), n_components=4), ImageSet(IMAGES, LABELS))
    with pytest.raises(ValueError, match="untrained has other layers"):
        ask(answers.result, ImageSet(IMAGES, LABELS), untrained=beside)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_pictures_of_any_number_of_channels_are_drawn(channels):
    made = seeded(nn.Conv2d(channels, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2))
    data = torch.rand(20, channels, 8, 8)
    for figure in draw(ask(probe(made, data, n_components=2), data)).values():
        figure.savefig(io.BytesIO(), format="png", dpi=30)


def test_names_of_layers_and_classes_are_text_wherever_they_are_written():
    made = nn.Sequential(OrderedDict([("$\\frac$pixels", nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))]))
    made.head = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
    answers = ask(probe(made, IMAGES, n_components=2, inputs=False), IMAGES)
    drawn = draw(answers, ablation=answers.causes(n_shuffles=2, class_names=["$\\frac$", "$$", "\ud800"]))
    assert "latent-images" not in drawn, "a layer whose name has pixels in it is none of them"
    for figure in drawn.values():
        figure.savefig(io.BytesIO(), format="png", dpi=30)


def test_sounds_are_not_laid_out_as_squares():
    made = seeded(nn.Conv1d(1, 4, 2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2))
    data = torch.rand(20, 1, 51)
    answers = ask(probe(made, data, n_components=2, inputs=False, pool="mean"), data)
    assert Material(answers).heat["1"].shape[2:] == (1, 50)


@pytest.mark.parametrize("labels", [torch.zeros(40, dtype=torch.int64), torch.tensor([1] + [0] * 39)])
def test_what_cannot_be_had_is_left_out_and_said(labels):
    data = ImageSet(IMAGES, labels)
    answers = ask(probe(whole(), data, n_components=25, max_iter=5, tol=0), data, labels=labels.numpy())
    with pytest.warns(UserWarning, match="there is no .* of these inputs") as heard:
        drawn = draw(answers, full=True)
    assert {"stability", "labels"}.isdisjoint(drawn)
    assert {"walk", "use"} <= set(drawn)
    said = [str(warning.message).split(":")[0] for warning in heard]
    assert sorted(said) == [f"there is no {name} of these inputs" for name in ("label_errors", "stability")]


def test_a_dead_network_is_drawn():
    made = seeded(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    with torch.no_grad():
        made[0].bias.fill_(-100)
    for figure in draw(ask(probe(made, IMAGES, n_components=2), IMAGES)).values():
        figure.savefig(io.BytesIO(), format="png", dpi=30)


def test_a_decision_is_the_networks_own_where_the_layer_was_clipped():
    made = seeded(nn.Flatten(), nn.Linear(192, 30), nn.GELU(), nn.Linear(30, 5))
    with torch.no_grad():
        made[-1].weight.mul_(5)
    answers = ask(probe(made, IMAGES, n_components=3, negative="clip"), IMAGES)
    for number in range(40):
        taken, scores = answers.decision(number), np.sort(answers.result.scores[number])
        assert taken.winner == answers.result.predictions[number]
        assert taken.margin == pytest.approx(scores[-1] - scores[-2], abs=1e-5)
        assert taken.factors.sum() + taken.rest + taken.bias == pytest.approx(taken.margin, abs=1e-9)
