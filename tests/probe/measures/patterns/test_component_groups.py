"""Units that factors use alike: what was planted is found, beside what chance groups."""

import numpy as np
import pytest

from cnn_probe.measures.patterns import component_groups
from cnn_probe.measures.units import measure_units


def groups_of(found):
    return {frozenset(np.flatnonzero(found.group == group).tolist()) for group in set(found.group.tolist()) - {-1}}


@pytest.fixture
def H():
    """Of 10 factors and 30 units: 3 and 9 are not used, 5 is like 6 and 20."""
    generator = np.random.default_rng(0)
    found = generator.exponential(size=(10, 30)) * (generator.uniform(size=(10, 30)) < 0.5)
    found[:, [3, 9]] = 0
    found[:, [6, 20]] = found[:, [5]] * [0.2, 7]
    return found


def test_what_is_planted_is_found_and_no_other(H):
    found = component_groups(H)
    assert groups_of(found) == {frozenset({5, 6, 20})}
    assert np.flatnonzero(~found.used).tolist() == [3, 9]
    assert found.grouped == 3 / 28
    assert 0 < found.by_chance < 0.05
    table = found.table()
    assert table.where(np.array(table["redundant"]))["unit"] == (5, 6, 20)
    assert (table["group"][3], table["group"][5], table["used"][3]) == (None, 0, False)


def test_with_f_it_is_what_activations_without_a_rest_show(H):
    F = np.random.default_rng(1).exponential(size=(50, 10)) * np.array([100, *[1] * 9])
    for same in (0.9, 0.99, 0.999):
        found, shown = component_groups(H, F=F, same=same), measure_units(F @ H, same=same).neurons
        np.testing.assert_array_equal(found.group, shown.group)
        assert same == 0.999 or groups_of(found) != groups_of(component_groups(H, same=same))
    F[:, H[:, 0] > 0] = 0  # what factors use unit 0 are in no input
    assert component_groups(H, F=F).group[0] == -1


def test_channels_are_compared_over_their_places():
    maps = np.random.default_rng(0).exponential(size=(3, 6, 4, 2))
    maps[:, 4] = 2 * maps[:, 1]
    maps[:, 2] = 2 * maps[:, 0]
    maps[:, 2, 3] = maps[:, 0, 0]  # of the same amounts, at other places
    found = component_groups(maps.reshape(3, -1), (6, 4, 2))
    assert groups_of(found) == {frozenset({1, 4})}
    last = component_groups(np.moveaxis(maps, 1, -1).reshape(3, -1), (4, 2, 6), channel_axis=-1)
    np.testing.assert_array_equal(last.group, found.group)


def test_few_factors_group_nearly_all_by_chance():
    H = np.random.default_rng(0).exponential(size=(2, 100))
    found = component_groups(H)
    assert found.grouped == pytest.approx(found.by_chance, abs=0.02)
    assert found.by_chance > 0.9
    assert component_groups(np.ones((1, 4))).by_chance == 1
    nothing = component_groups(np.zeros((2, 3)))
    assert (nothing.grouped, nothing.by_chance, nothing.group.tolist()) == (0, 0, [-1] * 3)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"shape": (4, 2)}, "that of 6 neurons"),
        ({"shape": (3, 2), "channel_axis": 2}, "one of its axes"),
        ({"F": np.ones((5, 3))}, "a column for each of 2 components"),
        ({"same": 0}, "same must be above 0"),
        ({"n_permutations": 0}, "n_permutations 1 or more"),
    ],
)
def test_what_does_not_fit_is_refused(more, says):
    with pytest.raises(ValueError, match=says):
        component_groups(np.ones((2, 6)), **more)
    with pytest.raises(ValueError, match="H must have finite numbers from 0 on"):
        component_groups([[-1.0]])
