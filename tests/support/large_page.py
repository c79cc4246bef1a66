"""A document larger than most, drawn at random: 16 layers, 20 factors, 1,000 pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

N, LAYERS, FACTORS, CLASSES, CHANNELS = 1000, 16, 20, 10, 64
MAP, TILES, HEAT, TOP, SIDE = 14, 12, 16, 8, 32


def large_document(*, n: int = N, layers: int = LAYERS, factors: int = FACTORS) -> dict[str, Any]:
    """As of `document_of`, with one result; what is drawn zips about as badly as what a probe finds."""
    rng = np.random.default_rng(0)
    names = [f"layer{i // 4 + 1}.{i % 4}.relu" for i in range(layers)]
    blocks = ["pixels", *names]
    parts = _walks(rng, names, factors)
    result = {
        "id": "rank-20", "label": f"{factors} patterns", "network": "Large", "rank": factors, "n": n, "accuracy": 0.93,
        "no_accuracy": None, "rmse": 0.1, "n_iter": 200, "settled": True,
        "classes": {"names": [f"class {c}" for c in range(CLASSES)], "counts": [n // CLASSES] * CLASSES,
                    "of": "label and predicted"},
        "blocks": [{"name": name, "kind": "layer" if i else "pixels", "layer": name if i else None, "n_features": 4096,
                    "relative_error": 0.3, "rmse": 0.1} for i, name in enumerate(blocks)],
        "shares": rng.dirichlet(np.full(len(blocks), 0.5), factors).T.astype(np.float32),
        "factors": _factors(rng, n, factors, names[-1]),
        "class_parts": [{"title": "by class", "names": [f"class {c}" for c in range(CLASSES)],
                         "parts": {"true": _parts(rng, factors), "predicted": _parts(rng, factors)}}],
        "beyond_chance": None,
        "added": {"names": [f"class {c}" for c in range(CLASSES)], "n_outputs": CLASSES,
                  "values": rng.normal(size=(factors, CLASSES)).astype(np.float32)},
        "ablation": None,
        "stability": {"verdicts": ["holds"] * factors, "counts": ["in 5 of 5 starts and 2 of 2 halves"] * factors},
        "layers": parts, "units": [_units(rng, name, factors) for name in names], "inputs": _inputs(rng, n, factors, blocks),
        "worst": np.arange(24), "suspects": [], "decisions": [], "use": None, "agreement": None, "comparison": None,
        "recorded": [{"layer": name, "shape": [CHANNELS, 32, 32], "pool": "whole", "negative": "none", "bytes": "250 MB"}
                     for name in names],
        "skipped": {}, "provenance": {}, "cards": [_card(i) for i in range(8)],
    }  # fmt: skip
    about = {"lead": [f"{n:,} inputs, {layers} layers."], "facts": [], "limits": ["All of it."], "notes": []}
    about |= {"command": None, "files": []}
    return {"title": "A large study", "cards": [], "results": [result], "studies": [], "about": about}


def _parts(rng: np.random.Generator, factors: int) -> Any:
    return (100 * rng.dirichlet(np.full(CLASSES, 0.3), factors)).astype(np.float32)


def _card(i: int) -> dict[str, Any]:
    return {"question": f"Question {i}?", "number": f"{i} of 20", "answer": "patterns do.", "sure": "p < 0.05.",
            "cannot": "Whether.", "show": "patterns"}  # fmt: skip


def _sparse_maps(rng: np.random.Generator, *shape: int) -> Any:
    """Steps from 0 to 255 in bumps, mostly 0 elsewhere, as of components."""
    *leading, height, width = shape
    y, x = np.mgrid[:height, :width]
    at = rng.uniform(0, min(height, width), (*leading, 2, 1, 1))
    bump = np.exp(-((y - at[..., 0, :, :]) ** 2 + (x - at[..., 1, :, :]) ** 2) / rng.uniform(2, 12, (*leading, 1, 1)))
    found = 255 * rng.random((*leading, 1, 1)) * bump * rng.uniform(0.7, 1.0, shape)
    return np.where(found > 20, found, 0).astype(np.uint8)


def _walks(rng: np.random.Generator, names: list[str], factors: int) -> list[dict[str, Any]]:
    found = []
    for name in names:
        shares = rng.dirichlet(np.full(CHANNELS, 0.3), factors)
        tiles = np.sort(np.argsort(-shares.max(axis=0))[:TILES])
        maps = _sparse_maps(rng, factors, TILES, MAP, MAP)
        own = {"shares": shares.astype(np.float32), "lift": (shares / shares.mean(axis=0)).astype(np.float32)}
        how = {"block": name, "layer": name, "pool": "whole", "n_channels": CHANNELS}
        found.append({**how, **own, "tiles": tiles, "maps": maps})
    return found


def _factors(rng: np.random.Generator, n: int, factors: int, layer: str) -> dict[str, Any]:
    return {"latent": _sparse_maps(rng, factors, 3, SIDE, SIDE), "prevalence": rng.uniform(5, 90, factors).astype(np.float32),
            "top": rng.integers(n, size=(factors, TOP)), "top_share": rng.random((factors, TOP), np.float32),
            "heat": _sparse_maps(rng, factors, TOP, HEAT, HEAT), "heat_layer": layer,
            "heat_places": [HEAT, HEAT]}  # fmt: skip


def _units(rng: np.random.Generator, name: str, factors: int) -> dict[str, Any]:
    rate = rng.random(CHANNELS).astype(np.float32)
    rate[::16] = 0
    favourite = rng.integers(CLASSES, size=CHANNELS)
    of_class = {"names": [f"class {c}" for c in range(CLASSES)], "favourite": favourite, "place": favourite,
                "share": rng.random(CHANNELS, np.float32), "p": rng.random(CHANNELS, np.float32),
                "size": np.full(CHANNELS, 1 / CLASSES, np.float32), "least_p": 1 / 201,
                "of_one": (rng.random(CHANNELS) < 0.1).astype(np.uint8), "least": 0.9}  # fmt: skip
    return {"block": name, "kind": "channel", "n": CHANNELS, "bound": 0.003, "compared": True, "rate": rate,
            "rate_high": np.minimum(rate + 0.003, 1), "energy": rng.dirichlet(np.ones(CHANNELS)).astype(np.float32),
            "holding": {"n": CHANNELS // 2, "part": 0.99}, "group": np.full(CHANNELS, -1), "factor": rng.integers(factors, size=CHANNELS), "of_class": of_class,
            "maps": _sparse_maps(rng, CHANNELS, MAP, MAP),
            "neurons": {"n": 1000 * CHANNELS, "dead": 7, "redundant": None, "of_one_class": 9}}  # fmt: skip


def _inputs(rng: np.random.Generator, n: int, factors: int, blocks: list[str]) -> dict[str, Any]:
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = rng.uniform(2, 12, (2, n, 1, 1, 3))
    pictures = 127 + 90 * np.sin(waves[0] * x[None, :, :, None] + waves[1] * y[None, :, :, None])
    label = rng.integers(CLASSES, size=n)
    return {"n_all": n, "number": np.arange(n), "names": [f"#{i}" for i in range(n)], "label": label,
            "predicted": np.where(rng.random(n) < 0.93, label, 0), "predicted_names": None,
            "F": rng.gamma(0.3, size=(n, factors)).astype(np.float32), "residual": rng.random(n, np.float32),
            "by_block": rng.random((n, len(blocks)), np.float32), "quantile": rng.random(n, np.float32),
            "median_residual": 0.3, "pictures": (pictures + rng.normal(0, 12, pictures.shape)).clip(0, 255).astype(np.uint8),
            "pictured": None}  # fmt: skip
