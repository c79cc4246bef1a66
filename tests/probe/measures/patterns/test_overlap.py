"""How maps cover masks of concepts, against slow loops and PyTorch."""

import numpy as np
import pytest
import torch

from cnn_probe.measures.counting import rows
from cnn_probe.measures.patterns import overlap
from cnn_probe.measures.patterns.areas import enlargement, level_of


@pytest.mark.parametrize(("small", "large"), [(3, 7), (1, 4), (4, 4), (7, 5), (2, 9)])
def test_maps_are_enlarged_as_pytorch_does(small, large):
    places = np.random.default_rng(0).normal(size=(small, small))
    expected = torch.nn.functional.interpolate(torch.tensor(places)[None, None], (large, large), mode="bilinear")
    matrix = enlargement(small, large)
    np.testing.assert_allclose(matrix @ places @ matrix.T, expected[0, 0].numpy(), atol=1e-12)


def test_overlap_against_a_slow_loop():
    generator = np.random.default_rng(0)
    maps, masks = generator.uniform(size=(2, 6, 3, 4)), generator.uniform(size=(2, 6, 9, 8)) < 0.3
    found = overlap(maps, {"x": masks[0], "y": masks[1]}, top=0.1, n_resamples=50)
    for k in range(2):
        level = np.quantile(maps[k], 0.9)
        large = torch.nn.functional.interpolate(torch.tensor(maps[k])[:, None], (9, 8), mode="bilinear")[:, 0].numpy()
        for m in range(2):
            high = large >= level
            assert found.iou[k, m] == (high & masks[m]).sum() / (high | masks[m]).sum()
            other = np.mean([(high[i] & masks[m][j]).sum() for i in range(6) for j in range(6)]) * 6
            assert found.by_chance[k, m] == pytest.approx(other / (high.sum() + masks[m].sum() - other))
    assert np.all((found.low <= found.iou + 0.02) & (found.iou <= found.high + 0.02))
    assert len(found.table()) == 4


def test_a_map_that_follows_a_mask_covers_it():
    masks = np.zeros((50, 20, 20), dtype=bool)
    masks[:, 5:7, 5:7] = True  # 1% of the places
    other = np.roll(masks, 9, axis=2)
    found = overlap([masks.astype(float)], {"own": masks, "other": other, "none": other & masks}, top=0.01)
    np.testing.assert_allclose(found.iou, [[1, 0, 0]])
    nowhere = overlap([np.zeros((50, 5, 5))], {"none": other & masks})
    assert np.isnan([nowhere.iou, nowhere.by_chance, nowhere.p_value]).all()
    assert found.above_chance.tolist() == [[False] * 3], "it is the same in all inputs"
    with pytest.raises(ValueError, match="n_permutations must be 20 or more"):
        overlap([masks.astype(float)], {"own": masks}, n_permutations=19)
    with pytest.raises(ValueError, match="of the same inputs"):
        overlap([np.zeros((49, 5, 5))], {"own": masks})
    with pytest.raises(ValueError, match=r"booleans and n_resamples 1 or more, got \{'soft': 'float64'\}"):
        overlap([masks.astype(float)], {"soft": masks * 0.3})
    gap = np.zeros((50, 5, 5))
    gap[3, 2, 2] = np.nan
    with pytest.raises(ValueError, match="finite"):
        overlap([gap], {"own": masks})


@pytest.mark.parametrize("top", [0.005, 0.1, 0.5, 0.97, 0.998, 1e-9])
@pytest.mark.parametrize("entries", [12, 12 * 7, 10**6])
def test_the_level_is_numpys_quantile_however_it_is_read(monkeypatch, top, entries):
    monkeypatch.setattr(rows, "ENTRIES", entries)
    generator = np.random.default_rng(0)
    for places in (generator.normal(size=(50, 3, 4)), generator.integers(3, size=(50, 3, 4))):
        assert level_of(places, top) == (np.quantile(places, 1 - top), places.min())


def test_pieces_give_the_same_as_the_whole(monkeypatch):
    generator = np.random.default_rng(0)
    maps = list(generator.uniform(size=(3, 40, 4, 4)))
    masks = {name: generator.uniform(size=(40, 8, 8)) < 0.2 for name in "ab"}
    whole = overlap(maps, masks, top=0.05)
    monkeypatch.setattr(rows, "ENTRIES", 8 * 8 * 3 * 7)
    pieces = overlap(maps, masks, top=0.05)
    for name in ("iou", "low", "high", "by_chance", "p_value", "levels"):
        np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), rtol=1e-12)


def test_the_interval_is_as_wide_as_the_spread_over_samples():
    """Of inputs drawn anew, at a level that stays: many places have the largest value."""
    generator = np.random.default_rng(0)
    masks = generator.uniform(size=(6000, 4, 4)) < 0.3
    seen = masks & (generator.uniform(size=(6000, 1, 1)) < 0.6)
    maps = np.where(seen, 1.0, generator.uniform(size=(6000, 4, 4)) * 0.1)
    runs = [overlap([maps[i : i + 60]], {"a": masks[i : i + 60]}, top=0.1) for i in range(0, 6000, 60)]
    spread = np.std([run.iou[0, 0] for run in runs])
    width = np.mean([run.high[0, 0] - run.low[0, 0] for run in runs])
    assert width == pytest.approx(2 * 1.96 * spread, rel=0.25)


def blobs(generator, n, side):
    """Bright spots near the middle of each input."""
    y, x = generator.normal(0.5, 0.15, (2, n, 1, 1))
    at = (np.arange(side) + 0.5) / side
    return np.exp(-((at[:, None] - y) ** 2 + (at - x) ** 2) * 32)


def test_maps_and_masks_that_are_both_in_the_middle_are_above_chance_only_if_they_go_together():
    """Independent spots overlap more than their areas would have them; the last map follows the first mask."""
    generator, named = np.random.default_rng(0), []
    for seed in range(25):
        maps = [blobs(generator, 60, 8) for _ in range(3)]
        masks = {name: blobs(generator, 60, 16) > 0.5 for name in "ab"}
        maps.append(masks["a"][:, ::2, ::2] * 1.0)
        found = overlap(maps, masks, top=0.02, n_resamples=20, n_permutations=60, seed=seed)
        named.append(found.above_chance[:3].any())
        assert found.above_chance[3].tolist() == [True, False]
    assert np.sum(named) < 5
