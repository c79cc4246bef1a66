"""Answers in, figures out: each by the name of what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_probe.measures.answers import Answers
from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.comparing.comparison import Comparison
from cnn_probe.measures.diagnostics import class_use
from cnn_probe.report.figures import latent_images
from cnn_probe.report.material import Material
from cnn_probe.report.plots.atlas import Columns, atlas
from cnn_probe.report.plots.causes import causes_figure
from cnn_probe.report.plots.comparison import comparison_figure
from cnn_probe.report.plots.decision import Decision, decisions_figure
from cnn_probe.report.plots.labels import labels_figure
from cnn_probe.report.plots.patterns import inputs_with_heat
from cnn_probe.report.plots.residuals import WORST, residuals_figure
from cnn_probe.report.plots.stability import stability_figure
from cnn_probe.report.plots.units import units_figure
from cnn_probe.report.plots.use import network_use_figure
from cnn_probe.report.plots.walk import Bars, LayerWalk, Walk, walk_figure


def draw(
    answers: Answers, *, full: bool = False, ablation: Ablation | None = None, comparison: Comparison | None = None
) -> dict[str, Figure]:
    """Draw what a result says: one figure an answer, by its name.

    Parameters
    ----------
    answers : Answers
        Of `ask`.
    full : bool, default=False
        Whether to draw as well what takes further fits: ``use``, ``stability`` and, with labels, ``labels``.
    ablation : Ablation, default=None
        Of `ablate` or `Answers.causes`: also ``causes``.
    comparison : Comparison, default=None
        Of `compare`: also ``comparison``.

    Returns
    -------
    dict of str to Figure
        What there is of ``latent-images``, ``inputs``, ``walk``, ``atlas``, ``decisions``, ``causes``, ``units``,
        ``residuals``, ``labels``, ``use``, ``stability`` and ``comparison``: no latent images where no pictures were
        factored, no decisions where no linear layer follows. Of answers with an untrained network beside them also
        ``untrained-latent-images`` and ``untrained-walk``.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from cnn_probe import ask, probe
    >>> images = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    >>> list(draw(ask(probe(network, images, n_components=2), images)))
    ['latent-images', 'inputs', 'walk', 'atlas', 'decisions', 'units', 'residuals']
    """
    material = Material(answers)
    drawings: dict[str, Callable[[], Figure | None]] = {
        "latent-images": lambda: _latent(material),
        "inputs": lambda: _inputs(material),
        "walk": lambda: walk_figure(_walk(material, full, ablation)),
        "atlas": lambda: _atlas(material),
        "decisions": lambda: _decisions(material),
        "causes": lambda: None if ablation is None else causes_figure(ablation),
        "units": lambda: units_figure(answers.units) if answers.units else None,
        "residuals": lambda: _residuals(material),
        "labels": lambda: labels_figure(answers.label_errors, material.pictures) if _labelled(answers, full) else None,
        "use": lambda: network_use_figure(answers.use) if full else None,
        "stability": lambda: stability_figure(answers.stability) if full else None,
        "comparison": lambda: None if comparison is None else comparison_figure(comparison),
    }
    if answers.untrained is not None:
        other = Material(answers.untrained)
        drawings |= {
            "untrained-latent-images": lambda: _latent(other),
            "untrained-walk": lambda: walk_figure(_walk(other, False, None)),
        }
    figures = {name: make() for name, make in drawings.items()}
    return {name: figure for name, figure in figures.items() if figure is not None}


def _labelled(answers: Answers, full: bool) -> bool:
    return full and answers.labels is not None


def _latent(material: Material) -> Figure | None:
    if material.latent is None:
        return None
    labels, names = material.asked.labels, material.asked.class_names or []
    use = None if labels is None or not names else class_use(material.asked.result.F, labels, len(names))
    return latent_images(material.latent, use, names)


def _inputs(material: Material) -> Figure | None:
    if material.top_pictures is None:
        return None
    layer = list(material.heat)[-1] if material.heat else ""
    return inputs_with_heat(material.top_pictures, material.heat.get(layer), material.top, layer)


def _residuals(material: Material) -> Figure:
    found = material.asked.residuals
    worst = found.worst(WORST)
    names = [material.input_name(number) for number in worst.tolist()]
    return residuals_figure(found, worst, material.pictures(worst.tolist()), names)


def _walk(material: Material, full: bool, ablation: Ablation | None) -> Walk:
    asked, k = material.asked, material.k
    layer_of = {block.name: block.layer for block in asked.result.blocks}
    layers = []
    for name in material.walked:
        maps = material.maps[name]
        places = as_places(maps)
        if places is None and layer_of[name] in material.heat:
            places = material.heat[str(layer_of[name])].mean(axis=1)[:, None]
        layers.append(
            LayerWalk(name, None if places is None else places[:k], material.channels[name], asked.shares[name])
        )
    return Walk(
        material.latent,
        material.top_pictures,
        layers,
        _ends(material),
        [_note(asked, factor, full, ablation) for factor in range(k)],
    )


def as_places(maps: NDArray[Any]) -> NDArray[Any] | None:
    """Maps (k, n_channels, h, w) of a layer's channels; None of one that has no places."""
    if maps.ndim < 3:
        return None
    return maps if maps.ndim == 4 else maps.reshape(*maps.shape[:2], 1 if maps.ndim == 3 else maps.shape[2], -1)


def _ends(material: Material) -> list[Bars]:
    asked = material.asked
    ends = []
    if asked.added is not None:
        n = asked.added.shape[1]
        names = [material.class_name(i, n) for i in range(n)]
        centred = asked.added - asked.added.mean(axis=1, keepdims=True)
        ends.append(Bars("adds to the outputs (centred)", names, {"": centred}))
    by_class = _classes(material)
    if by_class is not None:
        ends.append(by_class)
    return ends


def _classes(material: Material) -> Bars | None:
    """Of the inputs in which each factor is strongest, how many per cent have each class: given, and predicted."""
    result = material.asked.result
    share = result.F / np.maximum(result.F.sum(axis=0), 1e-30)
    strongest = np.argmax(share, axis=1)
    codes = {"true": material.asked.labels, "predicted": result.predictions}
    known = {name: values for name, values in codes.items() if values is not None}
    if not known:
        return None
    classes = np.unique(np.concatenate(list(known.values())))
    found = {}
    for name, values in known.items():
        counts = np.array([[np.sum(values[strongest == i] == one) for one in classes] for i in range(share.shape[1])])
        found[name] = 100.0 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n_outputs = None if result.scores is None else result.scores.shape[1]
    names = [material.class_name(one, n_outputs if "true" not in known else None) for one in classes.tolist()]
    which = "" if len(known) > 1 else f"{next(iter(known))} "
    return Bars(f"% of its inputs, by {which}class", names, found)


def _note(asked: Answers, factor: int, full: bool, ablation: Ablation | None) -> str:
    pixels = [f"{share[factor]:.0%}" for name, share in asked.shares.items() if name.startswith("pixels")]
    lines = [f"{', '.join(pixels)} of the pixels' squares"] if pixels else []
    if full:
        lines.append(f"other starts, halves: {asked.stability.verdicts[factor]}")
    if ablation is not None and factor in ablation.factors:
        row = ablation.factors.index(factor)
        hit = int(ablation.hit[row])
        points = 100 * ablation.change[row, hit]
        beyond = "" if ablation.causes[row] else ", not beyond chance"
        lines.append(
            f"taken out of {ablation.layer[:18]}:\nclass {ablation.classes[hit][:12]} {points:+.0f} points{beyond}"
        )
    return "\n".join(lines)


def _atlas(material: Material) -> Figure | None:
    if not material.channels:
        return None
    ends = []
    for bars in _ends(material):
        values = next(iter(bars.groups.values()))
        order = np.arange(values.shape[1])
        if len(order) > 20:
            order = np.sort(np.argsort(-np.abs(values).max(axis=0), kind="stable")[:20])
        signed = bool(values.min() < 0)
        title = "outputs" if signed else f"classes ({next(iter(bars.groups))})"
        unit = "adds to the output" if signed else "% of its inputs"
        ends.append(Columns(title, unit, values[:, order], [bars.names[i] for i in order.tolist()], signed))
    return atlas(material.latent, material.channels, ends)


def _decisions(material: Material) -> Figure | None:
    asked = material.asked
    decisions = []
    for number in _telling(asked):
        taken = asked.decision(number)
        if taken is None:
            return None
        n = len(asked.head.bias) if asked.head is not None else 0
        pictures = material.pictures([number])
        label = None if asked.labels is None else material.class_name(int(asked.labels[number]))
        decisions.append(
            Decision(
                taken,
                material.input_name(number),
                material.class_name(taken.winner, n),
                material.class_name(taken.other, n),
                label,
                None if pictures is None else pictures[0],
                material.latent,
            )
        )
    return decisions_figure(decisions) if decisions else None


def _telling(asked: Answers) -> list[int]:
    """Inputs whose decisions are taken apart: the closest, the clearest, and the clearest against its label."""
    scores = asked.result.scores
    if scores is None or scores.shape[1] < 2 or asked.head is None:
        return []
    ordered = np.sort(scores, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    found = [int(margin.argmin()), int(margin.argmax())]
    if asked.labels is not None and asked.class_names is not None and scores.shape[1] == len(asked.class_names):
        wrong = np.flatnonzero(scores.argmax(axis=1) != asked.labels)
        found += [int(wrong[margin[wrong].argmax()])] if len(wrong) else []
    return list(dict.fromkeys(found))
