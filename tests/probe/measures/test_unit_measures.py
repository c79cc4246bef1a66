"""Units that are dead, redundant or of one class: what was planted is found, and nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest

from cnn_probe.activations.store.shifted import Shifted
from cnn_probe.measures import units as unit_measures
from cnn_probe.measures.counting import groups, preference, rows
from cnn_probe.measures.counting.chance import step_down
from cnn_probe.measures.units import LayerUnits, measure_units
from cnn_probe.report.document.of_units import units_parts

N = 400
LABELS = np.repeat(np.arange(4), N // 4)
DEAD, COPIES, OF_CLASS = (3, 17), ((5, 6, 30), (8, 21)), {11: 2, 25: 0}
PREFERRING, ONCE = 14, 33


def on_a_page(neurons):
    (part,) = units_parts(
        SimpleNamespace(units={"relu": LayerUnits(neurons, None)}), SimpleNamespace(of_units=lambda found: found)
    )
    return part["neurons"]


def planted(seed=0, d=40):
    """Random sparse units (400, 40), of which some are dead, some scaled copies, and some of one class."""
    generator = np.random.default_rng(seed)
    X = np.maximum(generator.normal(size=(N, d)), 0)
    X[:, DEAD] = 0
    for first, *others in COPIES:
        X[:, others] = X[:, [first]] * generator.uniform(0.1, 10, len(others))
    for unit, label in OF_CLASS.items():
        X[label != LABELS, unit] = 0
    X[LABELS == 3, PREFERRING] *= 4  # more of a class than chance, but not most
    X[:, ONCE] = 0
    X[7, ONCE] = 1  # all of a class, but by chance
    return X.astype(np.float32)


def left_of(x, y):
    """What is left of y once x is scaled to it, beside how y varies over the inputs (the first axis)."""
    scale = np.sum(x * y) / np.sum(x * x)
    return np.sum((y - scale * x) ** 2) / np.sum((y - y.mean(axis=0)) ** 2)


def slow_groups(X, same):
    """Each unit in the first group whose units it agrees with, each with each."""
    groups = []
    for j in range(X.shape[-1]):
        if X[..., j].any() and np.ptp(X[..., j], axis=0).any():
            pairs = ([(X[..., i], X[..., j]) for i in group] for group in groups)
            left = [max(max(left_of(x, y), left_of(y, x)) for x, y in group) for group in pairs]
            fits = [group for group, most in zip(groups, left, strict=True) if most <= 1 - same**2 + 1e-9]
            fits[0].append(j) if fits else groups.append([j])
    return {frozenset(members) for members in groups if len(members) > 1}


def groups_of(units):
    return {frozenset(np.flatnonzero(units.group == group).tolist()) for group in set(units.group.tolist()) - {-1}}


@pytest.mark.parametrize("seed", range(5))
def test_what_is_planted_is_found_and_no_other(seed):
    X = planted(seed)
    units = measure_units(X, labels=LABELS, H=np.eye(40)[:10]).neurons
    assert tuple(np.flatnonzero(units.dead)) == DEAD
    assert groups_of(units) == set(map(frozenset, COPIES))
    of_class, own = units.of_class, units.of_class.preference
    assert {int(j): int(own.favourite[j]) for j in np.flatnonzero(of_class.of_one)} == OF_CLASS
    assert own.share[PREFERRING] < 0.9
    assert own.p_value[PREFERRING] < 0.05
    assert own.share[ONCE] == 1
    np.testing.assert_allclose(units.rate, (X > 0).mean(axis=0))
    np.testing.assert_allclose(units.energy_share, (X.astype(float) ** 2).sum(axis=0) / (X.astype(float) ** 2).sum())
    np.testing.assert_array_equal(units.factor, [*range(10), *[-1] * 30])
    table = units.table()
    assert table.where(np.array(table["of_one_class"]))["neuron"] == tuple(OF_CLASS)
    assert table.where(np.array(table["dead"]))["class_p"] == (None, None)


def test_what_lies_in_a_class_stands_beside_the_class_s_size():
    X, labels = planted(), np.repeat([0, 1, 2], [200, 120, 80])
    found = measure_units(X, labels=labels, n_permutations=30, seed=4).neurons
    own, table = found.of_class.preference, found.table()
    live = ~found.dead
    slow = np.array([X[labels == c].sum(axis=0) for c in range(3)])[own.favourite, np.arange(40)] / X.sum(axis=0).clip(
        1e-9
    )
    np.testing.assert_allclose(own.share[live], slow[live], rtol=1e-5)
    np.testing.assert_allclose(own.size[live], np.array([0.5, 0.3, 0.2])[own.favourite[live]])
    assert own.favourite[found.dead].tolist() == [-1, -1]
    assert found.of_class.least_p == np.nanmin(own.p_value) == 1 / 31
    assert table["class_size"][DEAD[0]] is None
    others = np.array([X[labels != c].mean(axis=0) for c in range(3)])[own.favourite, np.arange(40)] / X.mean(
        axis=0
    ).clip(1e-9)
    np.testing.assert_allclose(own.beyond_size[live], 1 - others[live], rtol=1e-4, atol=1e-6)


def test_a_slight_preference_for_a_class_of_nine_tenths_is_not_of_one_class():
    """Nine tenths of most units lie there; of the first nothing lies elsewhere, the second is of the rare class."""
    generator = np.random.default_rng(0)
    labels = (generator.random(1000) > 0.9).astype(int)
    X = generator.exponential(size=(1000, 20)) * np.where(labels == 0, 1.5, 1)[:, None]
    X[:, 0] *= labels == 0
    X[:, 1] *= np.where(labels == 1, 1.0, 0.001)
    found = measure_units(X, labels=labels, same=None).neurons.of_class
    slight = (found.preference.p_value < 0.05) & (found.preference.share >= 0.9)
    assert slight[2:].sum() > 8
    assert np.flatnonzero(found.of_one).tolist() == [0, 1]
    assert found.preference.favourite[:2].tolist() == [0, 1]


def test_a_channel_of_one_place_is_a_channel():
    found = measure_units(planted(), (40, 1, 1))
    assert (found.neurons.kind, found.channels) == ("channel", None)


def test_the_bound_on_the_rate_is_exact():
    units = measure_units(planted()).neurons
    assert units.bound == 1 - 0.05 ** (1 / N)
    assert units.bound == pytest.approx(3 / N, rel=0.01)
    np.testing.assert_allclose(units.rate_high[list(DEAD)], units.bound)
    for unit in (0, 11):
        exact = binomtest(round(units.rate[unit] * N), N, alternative="less").proportion_ci(0.95).high
        assert units.rate_high[unit] == pytest.approx(exact)
    assert measure_units(np.ones((3, 2))).neurons.rate_high.tolist() == [1, 1]


def test_channels_go_over_their_places():
    generator = np.random.default_rng(0)
    maps = np.maximum(generator.normal(size=(N, 6, 3, 2)), 0)
    maps[:, 1] = 0
    maps[:, 2, 0, 0] = 0  # a dead neuron of a channel that is not
    maps[:, 4] = 3 * maps[:, 0]
    maps[LABELS != 1, 5] = 0
    H = generator.uniform(size=(3, 36))
    found = measure_units(maps.reshape(N, -1), (6, 3, 2), labels=LABELS, classes=list("abcd"), H=H)
    channels, neurons = found.channels, found.neurons
    assert np.flatnonzero(channels.dead).tolist() == [1]
    assert np.flatnonzero(neurons.dead).tolist() == [*range(6, 12), 12]
    assert groups_of(channels) == {frozenset({0, 4})}
    assert groups_of(neurons) == {frozenset({j, 24 + j}) for j in range(6)}
    assert np.flatnonzero(channels.of_class.of_one).tolist() == [5]
    assert channels.table()["class"][5] == "b"
    np.testing.assert_allclose(channels.rate, maps.any(axis=(2, 3)).mean(axis=0))
    np.testing.assert_allclose(channels.energy_share.sum(), 1)
    np.testing.assert_array_equal(channels.factor, (H.reshape(3, 6, 6) ** 2).sum(axis=2).argmax(axis=0))
    table = neurons.table()
    assert (table["channel"][9], table["place"][9]) == (1, "1,1")
    assert "place" not in channels.table().columns


def test_channels_may_be_the_last_axis():
    maps = np.maximum(np.random.default_rng(0).normal(size=(30, 5, 4)), 0)
    maps[:, :, 2] = 0
    for axis in (1, -1):
        found = measure_units(maps.reshape(30, -1), (5, 4), channel_axis=axis)
        assert np.flatnonzero(found.channels.dead).tolist() == [2]
        assert found.table()["channel"][:5] == (0, 1, 2, 3, 0)
        assert found.table()["place"][4] == "1"
    assert measure_units(maps[:, 0]).channels is None


def test_pieces_give_the_same_as_the_whole(monkeypatch):
    X = planted()
    X[:, 12] = X[:, 5] + 0.1 * X[:, 0]  # a chain: near a copy, and something near to it
    X[:, 13] = X[:, 12] + 0.1 * X[:, 1]
    X[:, 15], X[:, 16], X[:, 18] = 2 + 0.1 * X[:, 0], 1 + 0.05 * X[:, 0], 7
    whole = measure_units(X, labels=LABELS, n_permutations=50).neurons
    monkeypatch.setattr(rows, "ENTRIES", 40 * 7)
    monkeypatch.setattr(groups, "GRAM", 12)
    monkeypatch.setattr(preference, "ENTRIES", 50 * 4 * 3)
    pieces = measure_units(X, labels=LABELS, n_permutations=50).neurons
    np.testing.assert_array_equal(pieces.group, whole.group)
    np.testing.assert_array_equal(pieces.of_class.preference.p_value, whole.of_class.preference.p_value)
    np.testing.assert_allclose(pieces.energy_share, whole.energy_share)
    assert groups_of(pieces) == slow_groups(X, 0.99)
    assert {frozenset({5, 6, 12, 30}), frozenset({15, 16})} <= slow_groups(X, 0.99)


@pytest.mark.parametrize("same", [0.5, 0.9, 1.0])
def test_units_of_a_group_agree_each_with_each(same, monkeypatch):
    monkeypatch.setattr(unit_measures, "FEW", 1)
    X = np.maximum(np.random.default_rng(1).normal(size=(12, 30)), 0)
    X[:, 7] = 2 * X[:, 3]
    assert groups_of(measure_units(X, same=same).neurons) == slow_groups(X, same)
    assert groups_of(measure_units(X, same=None).neurons) == set()
    maps = X.reshape(4, 3, 5, 6)
    found = measure_units(maps.reshape(4, -1), (3, 5, 6), channel_axis=-1, same=same).channels
    assert groups_of(found) == slow_groups(maps.reshape(4, 15, 6), same)


def test_units_that_are_active_for_all_and_vary_little_are_not_redundant():
    """Their cosines are near 1, whatever they do: what counts is how they vary."""
    noise = np.random.default_rng(0)
    X = 1 + 0.1 * noise.random((1000, 64))
    assert not measure_units(X).neurons.redundant.any()
    X[:, 40] = 3 * X[:, 7]
    X[:, 41] = 0.2 * (X[:, 7] + 0.01 * X[:, 7].std() * noise.normal(size=1000))
    X[:, 42] = 1 + 2 * (X[:, 7] - 1)  # goes up and down with it, but is no multiple of it
    X[:, 50:52] = 5
    assert groups_of(measure_units(X).neurons) == {frozenset({7, 40, 41})}
    assert groups_of(measure_units(X.astype(np.float32)).neurons) == {frozenset({7, 40, 41})}


def test_channels_with_the_same_mean_map_are_redundant_only_if_they_vary_alike():
    noise = np.random.default_rng(0)
    maps = noise.uniform(1, 9, (1, 1, 5, 4)) + 0.1 * noise.random((300, 6, 5, 4))
    maps[:, 5] = 2 * maps[:, 1]
    assert groups_of(measure_units(maps.reshape(300, -1), (6, 5, 4)).channels) == {frozenset({1, 5})}


def test_a_chain_is_no_group():
    a, b, c = np.abs(np.random.default_rng(0).normal(size=(3, 500)))
    X = np.stack([a, a + 0.1 * b, a + 0.1 * b + 0.1 * c], axis=1)
    for pair in (X[:, :2], X[:, 1:]):
        assert groups_of(measure_units(pair).neurons) == {frozenset({0, 1})}
    assert groups_of(measure_units(X[:, [0, 2]]).neurons) == set()
    assert groups_of(measure_units(X).neurons) == {frozenset({0, 1})}
    assert groups_of(measure_units(X[:, [0, 2, 1]]).neurons) == {frozenset({0, 2})}, "the first that it agrees with"


def test_units_that_are_nearly_always_zero_are_compared_from_five_inputs_on():
    X, at = np.zeros((1000, 6)), [3, 7, 50, 90, 500]
    X[at, 0] = 1, 2, 1, 3, 1
    X[at, 1] = 3, 6, 3, 9, 3
    X[at, 2] = 2, 1, 2, 1, 2
    X[at[:4], 3] = X[at[:4], 4] = 1, 2, 1, 3
    X[7, 5] = 1
    assert groups_of(measure_units(X).neurons) == {frozenset({0, 1})}


def test_independent_units_that_few_inputs_activate_are_not_redundant():
    generator = np.random.default_rng(0)
    X = generator.exponential(size=(30, 256)) * (generator.random((30, 256)) < 0.05)
    found = measure_units(X).neurons
    assert np.mean(found.rate * 30 <= 2) > 0.5
    assert found.redundant.sum() <= 2


def test_units_that_were_not_compared_are_not_said_to_be_alone():
    X = planted()
    known, unknown = measure_units(X).neurons, measure_units(X, same=None).neurons
    assert known.compared
    assert sum(known.table()["redundant"]) == 5
    assert on_a_page(known)["redundant"] == 5
    assert not unknown.compared
    assert set(unknown.table()["redundant"]) == set(unknown.table()["group"]) == {None}
    assert on_a_page(unknown)["redundant"] is None, "on a page: not compared"
    maps = measure_units(X, (10, 4), same=None)
    assert not maps.neurons.compared
    assert not maps.channels.compared


def test_shifted_rows_are_read_by_slices():
    X = planted()
    shifted = Shifted(X - 1, np.full(40, -1, dtype=np.float32))
    np.testing.assert_array_equal(measure_units(shifted).neurons.dead, measure_units(X).neurons.dead)
    np.testing.assert_array_equal(measure_units(shifted).neurons.group, measure_units(X).neurons.group)


def test_units_without_a_class_are_rarely_named():
    """Over 100 layers of units that know nothing of the labels, sparse ones among them: in about 5% is any below 5%."""
    generator, named = np.random.default_rng(0), 0
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    for seed in range(100):
        X = generator.exponential(size=(100, 20)) * (generator.uniform(size=(100, 20)) < generator.uniform(size=20))
        found = measure_units(X, labels=labels, n_permutations=99, seed=seed, same=None).neurons
        named += np.nanmin(found.of_class.preference.p_value) < 0.05
    assert 0 < named < 13


def test_steps_of_holm():
    by_chance = np.array([[0.0, 5, 1], [1, 0, 2], [9, 0, 3], [0, 0, 0]])
    observed = np.array([2.0, 8, 4])
    # The largest of all chances reaches 8 once; of units 0 and 2, 4 once; of unit 0 alone, 2 once.
    np.testing.assert_allclose(step_down(observed, by_chance), [2 / 5, 2 / 5, 2 / 5])
    np.testing.assert_allclose(step_down(np.array([10.0, 0, 0.5]), by_chance), [1 / 5, 1, 4 / 5])
    assert step_down(np.array([5.0, 4]), np.array([[6.0, 0]] * 3)).tolist() == [1, 1]  # no step below the one before


def test_preferences_are_in_deviations_over_permutations():
    generator = np.random.default_rng(0)
    x, labels = generator.exponential(size=60), np.repeat([0, 1], [50, 10])
    sums = np.array([np.bincount(generator.permutation(labels), weights=x) for _ in range(20000)])
    found = preference.deviations(np.array([x.mean()]), np.array([(x**2).mean()]), np.array([[50.0], [10.0]]), 60)
    np.testing.assert_allclose(found[:, 0], sums.std(axis=0), rtol=0.03)
    assert preference.deviations(np.ones(1), np.ones(1), np.ones((1, 1)), 60).tolist() == [[np.inf]]


@pytest.mark.parametrize(
    ("X", "more", "says"),
    [
        (np.array([[-1.0]]), {}, "negative or not finite in rows 0 to 0"),
        (np.array([[np.nan]]), {}, "negative or not finite"),
        (np.ones((2, 6)), {"shape": (4,)}, "that of 6 neurons"),
        (np.ones((2, 6)), {"shape": (3, 2), "channel_axis": 2}, "one of its axes"),
        (np.ones((2, 6)), {"H": np.ones((2, 5))}, r"H must have shape \(k, 6\)"),
        (np.ones((2, 6)), {"same": 1.5}, "same and own_class"),
        (np.ones((2, 6)), {"labels": [1]}, "one an input, 2 of them"),
        (np.ones(3), {}, "a row an input"),
    ],
)
def test_what_does_not_fit_is_refused(X, more, says):
    with pytest.raises(ValueError, match=says):
        measure_units(X, **more)
