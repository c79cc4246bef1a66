"""How each factor shows in each layer: maps by channel, shares of channels, how far they stand out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.patterns.channels import lift
from cnn_probe.report.document.tiles import in_steps, shrunk
from cnn_probe.report.material import Material, as_maps

TILES = 20  # channels of a layer that are drawn for each factor
FEW_TILES = 12  # the same, of a network of more than `MANY` layers
MANY = 8
SIDE = 14  # pixels of a map, at most


def walk_parts(material: Material, *, images: bool = True) -> list[dict[str, Any]]:
    """Return one part for each block of a layer, first to last.

    ``maps`` are, of a layer that is whole, the components of the channels ``tiles``, and, of one that is pooled, where
    the factor is in the first of its inputs, and ``tiles`` then is None; without ``images`` there are none, since
    those of a first layer are nearly latent images, nor shares of places, in which a layer that was pooled per token is
    told. They are square roots, one scale a layer.
    """
    asked, k = material.asked, material.k
    layer_of = {block.name: block.layer for block in asked.result.blocks}
    most = FEW_TILES if len(material.maps) > MANY else TILES
    parts = []
    for name, own in material.maps.items():
        how = asked.result.layer(str(layer_of[name]))
        shares, times = material.channels[name][:k], lift(material.channels[name])[:k]
        if how.of_places and not images:
            shares, times = shares[:, :0], times[:, :0]
        tiles: NDArray[np.int64] | None = np.sort(np.argsort(-shares.max(axis=0, initial=0), kind="stable")[:most])
        maps = None
        if own.ndim > 2 and images:
            maps = as_maps(own, channels_last=how.output.channel_axis != 1)[:k][:, tiles]
        elif images and layer_of[name] in material.heat:
            maps, tiles = material.heat[str(layer_of[name])][:, :1], None
        if maps is not None:
            maps = shrunk(maps, SIDE)
            maps = in_steps(np.sqrt(maps / max(float(np.quantile(maps, 0.999)), 1e-30)), 1.0)
        parts.append(
            {
                "block": name,
                "layer": layer_of[name],
                "pool": how.pool,
                "n_channels": int(shares.shape[1]),
                "shares": shares.astype(np.float32),
                "lift": times.astype(np.float32),
                "tiles": tiles,
                "maps": maps,
            }
        )
    return parts
