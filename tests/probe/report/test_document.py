"""What a page says of a result is what its answers say, of any network; and without images nothing of any input."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from pages import document_in, texts_in, words_of
from PIL import Image
from seeded import seeded
from torch import nn

import cnn_probe
from cnn_probe import ImageSet, PictureFolder, ask, compare, probe, refits, save_page
from cnn_probe.report.document.ends import telling_decisions
from cnn_probe.report.document.of_result import result_part
from cnn_probe.system.names import shown

N = 60
LABELS = np.arange(N) % 3
NAMES = ["cat", "dog", "=c"]
SCRIPT, IMAGE = "</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>'


def network(n_outputs=3):
    return seeded(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, n_outputs))


def images(n=N):
    found = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found[torch.arange(n) % 3 == 1, :, :4] += 1
    found[torch.arange(n) % 3 == 2, :, :, 4:] += 1
    return ImageSet(found / 2, torch.arange(n) % 3)


@pytest.fixture(scope="module")
def asked():
    data = images()
    return ask(probe(network(), data, n_components=4), data, labels=LABELS, class_names=NAMES)


@pytest.fixture(scope="module")
def ablation(asked):
    return asked.causes(n_shuffles=20)


@pytest.fixture(scope="module")
def second(asked):
    """Another network over the same inputs, compared."""
    other = seeded(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 3))
    others = ask(probe(other, asked.data, n_components=3), asked.data)
    starts = refits(asked.X, asked.result.model, 3), refits(others.X, others.result.model, 3)
    found = compare(asked.result, others.result, starts_a=starts[0], starts_b=starts[1], X_a=asked.X, X_b=others.X)
    return found, others, "the other one"


@pytest.fixture(scope="module")
def page(asked, ablation, second, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    assert save_page(asked, path, full=True, ablation=ablation, comparison=second) == path
    return path


@pytest.fixture(scope="module")
def part(page):
    (found,) = document_in(page)["results"]
    return found


def near(found, expected):
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=1e-6, atol=1e-7)


def test_inputs_are_those_that_have_most_of_each_pattern(part, asked):
    inputs = part["inputs"]
    np.testing.assert_array_equal(inputs["number"], np.arange(N), "all, where there are few")
    np.testing.assert_array_equal(inputs["number"][part["factors"]["top"]], asked.patterns.top)
    near(inputs["F"], asked.result.F)
    near(inputs["residual"], asked.residuals.of_inputs)
    near(inputs["by_block"], asked.residuals.by_block)
    names = part["classes"]["names"]
    assert [names[i] for i in inputs["label"]] == [NAMES[label] for label in LABELS]
    assert [names[i] for i in inputs["predicted"]] == [NAMES[one] for one in asked.result.predictions]
    np.testing.assert_array_equal(inputs["number"][part["worst"]], asked.residuals.worst(24))
    sheet = inputs["pictures"]
    assert (sheet["n"], sheet["width"], sheet["height"]) == (N, 8, 8)


def test_patterns_have_the_numbers_of_their_answers(part, asked):
    near(part["factors"]["prevalence"], asked.patterns.prevalence)
    near(part["shares"], np.stack(list(asked.shares.values())))
    (classes,) = part["class_parts"]
    amounts = np.stack([asked.result.F[one == LABELS].sum(axis=0) for one in range(3)], axis=1)
    near(classes["parts"]["true"], 100 * amounts / amounts.sum(axis=1, keepdims=True))
    known = asked.patterns.labels
    for name, values in (("share", "share"), ("size", "size"), ("lift", "lift"), ("p", "p_value")):
        near(part["beyond_chance"][name], getattr(known.preference, values))
    assert part["beyond_chance"]["goes"] == known.beyond_chance.tolist()
    assert part["beyond_chance"]["class"] == [NAMES[one] for one in known.preference.favourite]
    np.testing.assert_array_equal(part["beyond_chance"]["place"], known.preference.favourite)
    near(part["added"]["values"], asked.added - asked.added.mean(axis=1, keepdims=True))
    assert part["added"]["names"] == NAMES
    latent = asked.result.latent_images
    np.testing.assert_array_equal(part["factors"]["latent"].reshape(4, -1).max(axis=1), 255)
    scale = latent.reshape(4, -1).max(axis=1)[:, None, None, None]
    np.testing.assert_allclose(part["factors"]["latent"] / 255, latent / scale, atol=0.5 / 255 + 1e-6)


def test_maps_over_inputs_are_where_a_pattern_is_and_one_scale_a_pattern(part, asked):
    found, top = part["factors"], asked.patterns.top
    where = asked.result.where(asked.data, layer=found["heat_layer"])
    own = where[top, np.arange(len(top))[:, None]]
    assert found["heat_places"] == list(own.shape[2:])
    expected = np.rint(255 * own / own.max(axis=(1, 2, 3), keepdims=True))
    np.testing.assert_allclose(found["heat"].astype(float), expected, atol=1)


def test_what_patterns_cause_and_which_come_again_is_as_measured(part, asked, ablation):
    found = part["ablation"]
    for name in ("change", "low", "high", "kept"):
        near(found[name], getattr(ablation, name))
    assert found["verdicts"] == list(ablation.verdicts)
    np.testing.assert_array_equal(found["hit"], ablation.hit)
    near(found["p"], ablation.p_value)
    near(found["p_alike"], ablation.p_alike)
    near(found["alike"], ablation.alike.min(axis=(1, 2)))
    assert found["tested"] is True
    assert found["beyond_alike"] == ablation.beyond_alike.tolist()
    assert found["said"] == list(ablation.said)
    assert part["stability"]["verdicts"] == list(asked.stability.verdicts)
    assert part["use"]["block"] == list(asked.use.table()["block"])
    numbers = {card["question"]: card["number"] for card in part["cards"]}
    assert numbers["What do the patterns cause?"] == f"{ablation.causes.sum()} of 4"
    assert numbers["Do the patterns come out again?"] == f"{asked.stability.holds.sum()} of 4"
    assert numbers["How right is the network?"] == f"{asked.accuracy:.1%}"


def causes_card(asked, ablation):
    cards = result_part(asked, ablation=ablation)["cards"]
    return next(card for card in cards if card["question"] == "What do the patterns cause?")


@pytest.mark.parametrize(("n_alike", "which"), [(0, "none"), (2, "2")])
def test_of_what_causes_it_is_said_how_many_take_more_than_directions_like_the_layer(asked, ablation, n_alike, which):
    certain = {"change": np.full((4, 3), -0.5), "high": np.full((4, 3), -0.4), "p_value": np.full(4, 1 / 21)}
    p_alike = np.where(np.arange(4) < n_alike, 1 / 21, 2 / 21)
    card = causes_card(asked, replace(ablation, **certain, p_alike=p_alike))
    assert card["number"] == "4 of 4"
    assert f"; {which} of them more than directions drawn like the layer's own activations" in card["answer"]
    assert "Beside 20 directions of each kind" in card["sure"]
    card = causes_card(asked, replace(ablation, **{**certain, "p_value": np.full(4, 2 / 21)}, p_alike=p_alike))
    assert card["number"] == "0 of 4"
    assert "and more than shuffled neurons do. Pattern" in card["answer"], "of none nothing more is said"


def test_what_too_few_shuffles_cannot_test_is_counted_and_called_not_tested(asked):
    ablation = asked.causes(n_shuffles=3)
    card = causes_card(asked, ablation)
    assert card["number"] == f"{np.sum((ablation.change.min(axis=1) <= -0.01) & ablation.hurts)} of 4"
    assert "not tested" in card["sure"]
    assert "20 shuffled directions each or more, and there are 3" in card["sure"]
    assert "shuffled" not in card["answer"]
    assert set(ablation.verdicts) == {"not tested"}


def test_suspects_are_the_likeliest_errors_of_each_source(part, asked):
    assert [one["source"] for one in part["suspects"]] == list(asked.label_errors)
    for one in part["suspects"]:
        known = asked.label_errors[one["source"]]
        assert one["n_suspect"] == known.suspect.sum()
        numbers = part["inputs"]["number"][one["input"]]
        assert known.suspect[numbers].all()
        assert (np.diff(known.self_confidence[numbers]) >= 0).all(), "the least sure first"
        near(one["confidence"], known.self_confidence[numbers])
        assert one["given"] == [NAMES[LABELS[number]] for number in numbers]


def test_units_are_counted_as_in_their_table(part, asked):
    assert [one["block"] for one in part["units"]] == list(asked.units)
    for one in part["units"]:
        known = asked.units[one["block"]]
        near(one["rate"], known.channels.rate)
        np.testing.assert_array_equal(one["group"], known.channels.group)
        near(one["of_class"]["p"], known.channels.of_class.preference.p_value)
        places, own = one["of_class"]["place"], known.channels.of_class.preference
        told = [None if at < 0 else part["classes"]["names"][at] for at in places]
        assert told == [None if at < 0 else known.channels.of_class.classes[at] for at in own.favourite]
        near(one["of_class"]["size"], own.size)
        assert one["of_class"]["least_p"] == 1 / 201
        shares, n = np.sort(known.channels.energy_share)[::-1], one["holding"]["n"]
        assert shares[:n].sum() >= 0.99 > shares[: n - 1].sum()
        assert one["neurons"]["dead"] == known.neurons.dead.sum()
        rows = np.asarray(asked.X[one["block"]]).reshape(N, len(one["rate"]), -1)
        mean = rows.mean(axis=0)
        scale = np.maximum(mean.max(axis=1, keepdims=True), 1e-30)
        np.testing.assert_allclose(one["maps"].reshape(mean.shape) / 255, mean / scale, atol=0.5 / 255 + 1e-4)


def idle(part):
    return next(card for card in part["cards"] if card["question"] == "Which units are idle?")


def test_the_card_of_idle_units_has_neurons_and_what_few_channels_hold(part, asked):
    told, units = idle(part), asked.units.values()
    assert told["number"] == f"{sum(own.channels.dead.sum() for own in units)} of 10"
    assert told["answer"].startswith(f"channels are active for none of the {N} inputs")
    dead, total = sum(own.neurons.dead.sum() for own in units), sum(len(own.neurons.rate) for own in units)
    assert f"Of the {total} neurons of channels (one at each place) {dead} are active for none." in told["answer"]
    for one in part["units"]:
        assert f"{one['holding']['n']} of {one['n']} channels of {one['block']}" in told["answer"]
    assert "a later layer can scale them up" in told["cannot"]


def test_a_pooled_layer_has_channels_and_no_neurons():
    data = images()
    asked = ask(probe(network(), data, n_components=2, pool="mean"), data)
    part = result_part(asked)
    assert [(one["kind"], one["neurons"]) for one in part["units"]] == [("channel", None)] * 2
    told = idle(part)
    assert told["number"].endswith(" of 10")
    assert told["answer"].startswith("channels are active for none")
    assert "neurons" not in told["answer"]
    assert "squares (pooled: of what was recorded)" in told["answer"]


def test_decisions_add_up_to_their_margins(part, asked):
    numbers = [int(part["inputs"]["number"][one["input"]]) for one in part["decisions"]]
    assert dict(zip(numbers, [one["why"] for one in part["decisions"]], strict=True)) == telling_decisions(asked)
    for one in part["decisions"]:
        total = one["factors"].sum() + one["beyond"] + one["rest"] + one["bias"]
        assert total == pytest.approx(one["margin"], abs=1e-4)


def test_a_comparison_is_told_as_it_was_found(part, second):
    found, told = second[0], part["comparison"]
    assert told["with"] == "the other one"
    assert told["factors"]["verdict"] == list(found.table()["verdict"])
    assert sum(told["counts"].values()) == len(found.table()["verdict"])
    assert told["pictures"]["n"] == 3 * told["n_tops"]
    assert part["cards"][-1]["number"] == f"{told['counts']['lost']} only here, {told['counts']['new']} only there"


def test_the_summary_has_every_card_and_limit(page):
    words, found = words_of(page), document_in(page)
    for card in found["results"][0]["cards"]:
        assert all(card[what] in words for what in ("question", "number", "answer", "sure", "cannot"))
    for limit in found["about"]["limits"]:
        assert limit in words
    assert len(found["results"][0]["cards"]) >= 9


def test_the_same_answers_give_the_same_page(asked, tmp_path):
    pages = [save_page(asked, tmp_path / f"{i}.html").read_bytes() for i in range(2)]
    assert pages[0] == pages[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures under names that are told nowhere else, in classes of hostile names."""
    found, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("\u202egnp", '"><img src=x onerror=alert(1)>'):
        (found / name).mkdir()
        for number in range(6):
            pixels = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(found / name / f"secret<b>{number}&.png")
    return PictureFolder(found, 8)


def test_without_images_nothing_of_any_input_is_on_the_page(folder, tmp_path):
    net = seeded(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    answers = [ask(probe(net, folder, n_components=k), folder, class_names=folder.class_names) for k in (2, 3)]
    both = (compare(answers[0].result, answers[1].result, X_a=answers[0].X, X_b=answers[1].X), answers[1], "other")
    whole, hidden = (
        save_page(answers[0], tmp_path / f"{with_}.html", comparison=both, images=with_) for with_ in (True, False)
    )
    names = {shown(name, 300) for name in folder.names}
    (part,) = document_in(whole)["results"]
    assert set(part["inputs"]["names"]) == names, "with their folders, and there to be left out"
    assert any("data:image" in text for text in texts_in(document_in(whole)))
    (part,) = document_in(hidden)["results"]
    told = list(texts_in(document_in(hidden)))
    assert not [text for text in told if "secret" in text or "data:" in text]
    assert "secret" not in hidden.read_text()
    assert not re.findall(r"data:image", hidden.read_text().partition('id="document"')[2].partition("</script>")[0])
    assert part["inputs"]["names"] is part["inputs"]["pictures"] is part["factors"]["latent"] is None
    for what in ("latent", "pictures"):
        assert part["comparison"][what] is None
    near(part["inputs"]["F"], answers[0].result.F)


@pytest.mark.parametrize("name", [SCRIPT, IMAGE, "\u202egnp.tac", "x" * 10_000, "", "\ud800", "two\nlines", "$array"])
def test_hostile_names_of_classes_are_only_text(asked, tmp_path, name):
    named = ask(asked.result, asked.data, labels=LABELS, class_names=[name, "b", "c"])
    page = save_page(named, tmp_path / "page.html", title=name or None)
    text = page.read_text(encoding="utf-8")
    names = document_in(page)["results"][0]["classes"]["names"]
    assert names == [name and shown(name, 300), "b", "c"]
    assert len(re.findall("<script", text)) == 2
    for bad in ("<img", "\u202e", "x" * 301, "alert(1)</script>"):
        assert bad not in text


def test_hostile_names_of_files_are_only_text(folder, tmp_path):
    net = seeded(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    asked = ask(probe(net, folder, n_components=2), folder, labels=folder.labels, class_names=folder.class_names)
    page = save_page(asked, tmp_path / "page.html")
    text, (part,) = page.read_text(encoding="utf-8"), document_in(page)["results"]
    assert part["classes"]["names"] == ['"><img src=x onerror=alert(1)>', "\\u202egnp"]
    assert "\\u202egnp/secret<b>0&.png" in part["inputs"]["names"]
    for bad in ("<b>0", "<img", "\u202e"):
        assert bad not in text


class Sound(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = seeded(nn.Linear(5, 8), nn.ReLU())

    def forward(self, sounds):
        return self.first(sounds).mean(dim=1)


@pytest.mark.parametrize(
    ("net", "data", "labels", "how"),
    [
        (network(), images().images, None, {}),
        (Sound(), torch.rand(40, 6, 5, generator=torch.Generator().manual_seed(0)), None, {"inputs": False}),
        (network(), images().images, LABELS, {"n_components": 1}),
        (network(1), images().images, None, {}),
        (network(1), images(), LABELS, {}),
        (network(), images().images, np.zeros(N, int), {}),
        (network(1), images().images, np.zeros(N, int), {"n_components": 1}),
        (network(), images(3).images, None, {"n_components": 2}),
    ],
    ids=[
        "no labels",
        "sounds",
        "one factor",
        "one output",
        "labels that are no outputs",
        "one class",
        "one of all",
        "3",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_any_result_has_a_page(net, data, labels, how, tmp_path):
    result = probe(net, data, **{"n_components": 3, **how})
    page = save_page(ask(result, data, labels=labels), tmp_path / "page.html")
    (part,) = document_in(page)["results"]
    near(part["inputs"]["F"], result.F[part["inputs"]["number"]])
    assert (part["rank"], part["n"]) == (result.F.shape[1], len(result.F))
    assert "Which inputs share a pattern?" in words_of(page)
    assert (part["inputs"]["label"] is None) == (labels is None)
    assert (part["factors"]["latent"] is None) == (how.get("inputs") is False)


def test_a_page_of_no_folder_is_an_error_and_a_page_is_public(asked, tmp_path):
    assert "save_page" in cnn_probe.__all__
    with pytest.raises(OSError, match="nowhere"):
        save_page(asked, tmp_path / "nowhere" / "page.html")
