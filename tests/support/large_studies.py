"""Studies larger than most, drawn at random: 4 of 10 conditions, 5 ranks, 5 seeds, and all that a page says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from large_page import large_document

CLASSES, NEURONS = 10, (20, 4, 4)  # of the last layer, as the paper's network has it: channels, height, width


def large_studies(*, studies: int = 4, conditions: int = 10, ranks: int = 5, seeds: int = 5) -> dict[str, Any]:
    """As of `document_of`: studies, and a result of a network of each condition, smaller than `large_document`'s."""
    rng = np.random.default_rng(0)
    document = large_document(n=200, layers=3, factors=10)
    (result,) = document["results"]
    results = [{**result, "id": f"condition-{c}", "label": f"condition {c}, seed 0"} for c in range(conditions)]
    told = [_study(rng, i, conditions, [10 * (rank + 1) for rank in range(ranks)], seeds) for i in range(studies)]
    names = {f"condition-{c}" + f"-{seed}" * (seed > 0): f"condition {c}, seed {seed}"
             for c in range(conditions) for seed in range(seeds)}  # fmt: skip
    return {**document, "title": "Large studies", "results": results, "studies": told, "quality": _quality(rng, names)}


def _study(rng: np.random.Generator, i: int, conditions: int, ranks: list[int], seeds: int) -> dict[str, Any]:
    errors = np.sort(rng.random((3, conditions, seeds, len(ranks)), np.float32))[..., ::-1]
    spectra = np.sort(rng.lognormal(0, 2, (2, conditions, seeds, 400)).astype(np.float32))[..., ::-1]
    charts = f"chart-{i}"
    kinds = {"rmse": "Error of images and layers", "error-relu1": "Error of relu1", "error-relu2": "Error of relu2"}
    claim = {"claim": "more is less", "verdict": "undecided", "word": "undecided", "show": f"{charts}-rmse", "holds": 3,
             "comparisons": 5, "counted": "networks", "chance": 0.3, "least_chance": 0.03, "networks": seeds,
             "seeds": seeds, "against": 0.5, "test": "sign test", "chart": {"kind": "rmse", "place": None}, "little": 0,
             "meant": 4, "reason": None, "more_accurate": 3,
             "parts": [{"pair": "layers", "order": 1, "holds": 3, "comparisons": 5, "chance": 0.3}] * 2,
             "ranks": len(ranks), "same_ranks": 3}  # fmt: skip
    return {
        "id": f"study-{i}", "charts": charts, "title": f"Study {i}", "question": "Is more less?", "ranks": ranks,
        "seeds": seeds, "claims": [claim] * 6,
        "conditions": [{"label": f"condition {c}", "saw": f"images of {c} alone", "look": c, "paper": 90.0,
                        "accuracy": rng.random(seeds).tolist(), "train_accuracy": rng.random(seeds).tolist(),
                        "recognized": "all", "little": 0} for c in range(conditions)],
        "errors": [{"id": f"{charts}-{kind}", "title": title, "unit": "error", "free": j > 0, "values": errors[j],
                    "floor": 0.5 * errors[j]} for j, (kind, title) in enumerate(kinds.items())],
        "spectra": [{"layer": f"relu{j + 1}", "values": spectra[j], "reference": spectra[j, 0], "n_all": 1440}
                    for j in range(2)],
        "measures": [{"title": f"measure {m}", "values": rng.random((conditions, seeds)).tolist()} for m in range(10)],
        "classes": _classes(rng, conditions),
    }  # fmt: skip


def _classes(rng: np.random.Generator, conditions: int) -> dict[str, Any]:
    rates = [rng.integers(256, size=(CLASSES, *NEURONS)).astype(np.uint8) for _ in range(conditions)]
    groups = [np.where(one > 127, 255 - 20 * (one > 127).sum(axis=0), 0).astype(np.uint8) for one in rates]
    counts = [(one > 127).sum(axis=(1, 2, 3)).tolist() for one in rates]
    firing = {"of": "relu2, seed 0", "neurons": int(np.prod(NEURONS)), "rates": rates, "groups": groups,
              "counts": counts, "own": counts}  # fmt: skip
    recognized = [{"label": f"condition {c}", "order": list(range(CLASSES)), "known": rng.random(CLASSES).tolist()}
                  for c in range(conditions)]  # fmt: skip
    overlap = [rng.random((CLASSES, CLASSES)) for _ in range(conditions)]
    return {"names": [f"class {c}" for c in range(CLASSES)], "firing": firing, "overlap": overlap,
            "recognized": recognized}  # fmt: skip


def _quality(rng: np.random.Generator, names: dict[str, str]) -> dict[str, Any]:
    """What all networks say together, of 12 measures and 5 controls."""
    found = {"correlation": 0.5, "low": 0.2, "high": 0.8, "networks": len(names), "seeds": 5, "chance": 0.01}
    moves = {"0.5": 12.3, "8": -4.5}
    return {
        "finding": "It is no sign: controls speak against it.", "rule": "A control speaks against it where it fails.",
        "evidence": [{"control": f"control {i}", "speaks_for": i > 2, "text": "RMSE rises."} for i in range(5)],
        "rows": [{"measure": f"measure {m}", "all": found, "paper": found, "scale_free": m > 5} for m in range(12)],
        "factors": list(moves),
        "scaling": [{"measure": f"measure {m}", "moves": moves, "most": 12.3, "scale_free": m > 5} for m in range(12)],
        "networks": {"rank": 10, "images": 6000, "ids": list(names), "names": list(names.values()),
                     "accuracy": np.sort(rng.random(len(names)))[::-1].tolist(),
                     "train_accuracy": rng.random(len(names)).tolist(), "rmse": rng.random(len(names)).tolist()},
    }  # fmt: skip
