"""What a page says of one result: its patterns, their walk, its units and its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnn_probe.activations.store.estimates import size
from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.comparing.comparison import Comparison
from cnn_probe.measures.comparing.stability import FactorStability
from cnn_probe.measures.patterns.sharing import PERMUTATIONS
from cnn_probe.probing.recording import estimate_of
from cnn_probe.report.document.cards.verdicts import cards_of
from cnn_probe.report.document.ends import Classes, classes_of
from cnn_probe.report.document.of_comparison import comparison_part
from cnn_probe.report.document.of_inputs import Inputs, chosen_inputs
from cnn_probe.report.document.of_layers import walk_parts
from cnn_probe.report.document.of_units import units_parts
from cnn_probe.report.document.packing import columns_of
from cnn_probe.report.document.tiles import LATENT, on_own_scales
from cnn_probe.report.material import ON_A_PAGE, Material

MOST_OUTPUTS = 40  # of a network with more: those that the factors add most to
HEAT = 16  # pixels of a map over an input, at most
Part = dict[str, Any]


def result_part(
    asked: Answers,
    *,
    full: bool = False,
    ablation: Ablation | None = None,
    comparison: tuple[Comparison, Answers, str] | None = None,
    images: bool = True,
) -> Part:
    """Return what a page says of a result, for `packing`.

    Parameters
    ----------
    asked : Answers
    full : bool, default=False
        Whether to say as well what takes further fits: how much is used, which factors come out again, which labels
        look wrong. What cannot be had of these inputs is left out, with a warning that says why.
    ablation : Ablation, default=None
        What factors cause.
    comparison : tuple of (Comparison, Answers, str), default=None
        With a second network: the comparison, the answers of that network, and what it is called.
    images : bool, default=True
        Whether inputs may be shown; without, neither they nor latent images are, nor maps, nor names of files.
    """
    material = Material(asked, ON_A_PAGE, walk=None)
    use, stability = asked.tried("use") if full else None, asked.told_stability(full)
    suspects = (asked.tried("label_errors") or {}) if full and asked.labels is not None else {}
    classes = Classes(material)
    inputs = chosen_inputs(material, suspects, classes, images=images)
    part = {
        **_in_numbers(asked),
        "classes": classes.part,
        "blocks": _blocks(asked),
        "shares": np.stack([asked.shares[name] for name in asked.shares])[:, : material.k].astype(np.float32),
        "factors": _factors(material, inputs, images),
        "class_parts": [
            {"title": bars.title, "names": list(bars.names), "parts": _first(bars.groups, material.k)}
            for bars in classes_of(material)
        ],
        "beyond_chance": _beyond_chance(asked, material.k, classes),
        "added": _added(material),
        "ablation": None if ablation is None else _ablation(ablation),
        "stability": None if stability is None else _stability(stability, asked),
        "layers": walk_parts(material, images=images),
        "units": units_parts(asked, classes, images=images),
        "inputs": inputs.part,
        "worst": inputs.worst,
        "suspects": inputs.suspects,
        "no_suspects": asked.not_there.get("label_errors"),
        "decisions": inputs.decisions,
        "use": None if use is None else columns_of(use.table()),
        "agreement": columns_of(asked.head_agreement.table()) if full and asked.head_agreement is not None else None,
        "comparison": None if comparison is None else comparison_part(*comparison, images=images),
        "recorded": _recorded(asked),
        "skipped": {str(name): str(why) for name, why in asked.result.skipped.items()},
        "provenance": asked.result.provenance,
    }
    part["cards"] = cards_of(asked, ablation=ablation, stability=stability, use=use, suspects=suspects, part=part)
    return part


def _in_numbers(asked: Answers) -> Part:
    """Of which network and inputs it is, and how well they were factored."""
    result, model = asked.result, asked.result.model
    return {
        "network": "network" if result.network is None else type(result.network).__name__,
        "rank": int(result.F.shape[1]),
        "n": len(result.F),
        "accuracy": asked.accuracy,
        "no_accuracy": None if asked.labels is None else asked.missing_sources.get("network"),
        "rmse": model.rmse_,
        "n_iter": int(model.n_iter_),
        "settled": bool(model.n_iter_ < model.max_iter),
    }


def _first(groups: dict[str, Any], k: int) -> Part:
    return {name: np.asarray(values[:k], np.float32) for name, values in groups.items()}


def _blocks(asked: Answers) -> list[Part]:
    model, result = asked.result.model, asked.result
    pictures = set(result.picture_blocks)
    return [
        {
            "name": block.name,
            "kind": "layer" if block.layer is not None else "pixels" if block.name in pictures else "input",
            "layer": block.layer,
            "n_features": int(asked.X[block.name].shape[1]),
            "relative_error": float(model.block_relative_error_[block.name]),
            "rmse": float(model.block_rmse_[block.name]),
        }
        for block in result.blocks
    ]


def _factors(material: Material, inputs: Inputs, images: bool) -> Part:
    """Latent images, each on a scale of its own; the inputs that have most, and where in them each factor is.

    Of the latter all inputs of a factor are on one scale, and the largest of them all is the brightest.
    """
    k = material.k
    latent = material.latent if images else None
    if latent is not None:
        latent = on_own_scales(latent[:k], LATENT)
    layer = list(material.heat)[-1] if images and material.heat else None  # a map is of one input, and looks like it
    maps = None if layer is None else material.heat[layer]
    return {
        "latent": latent,
        "prevalence": material.asked.patterns.prevalence[:k].astype(np.float32),
        "top": inputs.places(material.top),
        "top_share": material.asked.patterns.top_share[:k].astype(np.float32),
        "heat": None if maps is None else on_own_scales(maps, HEAT),
        "heat_layer": layer,
        "heat_places": None if maps is None else list(maps.shape[2:]),
    }


def _beyond_chance(asked: Answers, k: int, classes: Classes) -> Part | None:
    """Which class each factor prefers, beside the class's size, and whether beyond what permuted labels give."""
    found = asked.patterns.labels
    if found is None:
        return None
    own = found.preference
    values = {"share": own.share, "low": found.low, "high": found.high, "size": own.size, "lift": own.lift}
    return {
        "class": found.favourites[:k],
        "place": classes.of_units(own.favourite)[:k],  # by number: several classes may have one name
        "goes": found.beyond_chance[:k].tolist(),
        "least_p": 1 / (1 + PERMUTATIONS),  # that so many can give
        **{name: np.asarray(some[:k], np.float32) for name, some in {**values, "p": own.p_value}.items()},
    }


def _added(material: Material) -> Part | None:
    """What each factor adds to the outputs through the linear head, on average, less the mean over the outputs."""
    added = material.asked.added
    if added is None:
        return None
    n = added.shape[1]
    values = added - (added.mean(axis=1, keepdims=True) if n > 1 else 0.0)
    shown = np.sort(np.argsort(-np.abs(values).max(axis=0), kind="stable")[:MOST_OUTPUTS])
    return {
        "names": [material.class_name(i, n) for i in shown.tolist()],
        "values": values[: material.k, shown].astype(np.float32),
        "n_outputs": n,
    }


def _stability(found: FactorStability, asked: Answers) -> Part:
    return {
        "verdicts": list(found.verdicts),
        "counts": list(found.counts),
        "rmse": [asked.result.model.rmse_, *found.rmse_starts],
    }


def _ablation(found: Ablation) -> Part:
    return {
        "layer": found.layer,
        "classes": list(found.classes),
        "n_inputs": found.n_inputs,
        "factors": list(found.factors),
        **{name: getattr(found, name).astype(np.float32) for name in ("change", "low", "high")},
        **{name: _hardest(getattr(found, name), found) for name in ("shuffled", "alike", "principal")},
        "n_shuffles": int(found.shuffled.shape[1]),
        "kept": found.kept.astype(np.float32),
        "tested": found.tested,
        "p": found.p_value.astype(np.float32),
        "p_alike": found.p_alike.astype(np.float32),
        "hit": found.hit,
        "verdicts": list(found.verdicts),
        "beyond_alike": found.beyond_alike.tolist(),
        "said": list(found.said),
    }


def _hardest(others: Any, found: Ablation) -> Any:
    """What the hardest of other directions beside each factor takes from a class that is counted."""
    of_classes = others[..., found.counted].reshape(len(found.factors), -1)
    return of_classes.min(axis=1).astype(np.float32)


def _recorded(asked: Answers) -> list[Part]:
    prepared = asked.recorded.prepared
    taken = [size(one.n_bytes) for one in estimate_of(prepared)]
    return [
        {
            "layer": layer.name,
            "shape": list(layer.shape),
            "pool": layer.pool,
            "negative": "none" if layer.negative == "error" else layer.negative,
            "bytes": bytes_taken,
        }
        for layer, bytes_taken in zip(prepared.layers, taken, strict=True)
    ]
