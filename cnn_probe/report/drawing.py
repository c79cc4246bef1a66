"""Answers in, figures out: each by the name of what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.comparing.comparison import Comparison
from cnn_probe.measures.comparing.stability import FactorStability
from cnn_probe.measures.diagnostics import class_use
from cnn_probe.measures.patterns.aligned import Aligned
from cnn_probe.report.document.ends import ends_of, telling_decisions
from cnn_probe.report.figures import latent_images
from cnn_probe.report.material import Material, as_maps
from cnn_probe.report.plots.atlas import atlas
from cnn_probe.report.plots.causes import causes_figure
from cnn_probe.report.plots.comparison import comparison_figure
from cnn_probe.report.plots.decision import Decision, decisions_figure
from cnn_probe.report.plots.grid import MOST_ROWS, QUIET, Bars, of_all
from cnn_probe.report.plots.labels import labels_figure
from cnn_probe.report.plots.patterns import concepts_figure, inputs_with_heat
from cnn_probe.report.plots.residuals import WORST, residuals_figure
from cnn_probe.report.plots.stability import stability_figure
from cnn_probe.report.plots.units import units_figure
from cnn_probe.report.plots.use import network_use_figure
from cnn_probe.report.plots.walk import ABOVE, LayerWalk, Walk, walk_figure
from cnn_probe.system.names import shown

HOW = (
    f"Maps: square root of the amount, one scale a layer; framed: a channel with {ABOVE} times its mean share or more; "
    "one map: a layer that was pooled, where the factor is in the first of its inputs.\n"
    "A pattern that is in several layers occurs together there; that one causes the other is not said."
)


def draw(
    answers: Answers,
    *,
    full: bool = False,
    ablation: Ablation | None = None,
    comparison: Comparison | None = None,
    concepts: Aligned[Any] | None = None,
    n_factors: int = MOST_ROWS,
) -> dict[str, Figure]:
    """Draw what a result says: one figure an answer, by its name.

    Parameters
    ----------
    answers : Answers
        Of `ask`.
    full : bool, default=False
        Whether to draw as well what takes further fits: ``use``, ``stability`` and, with labels, ``labels``. What
        cannot be had of these inputs is left out, with a warning that says why.
    ablation : Ablation, default=None
        Of `ablate` or `Answers.causes`: also ``causes``.
    comparison : Comparison, default=None
        Of `compare`: also ``comparison``.
    concepts : Aligned, default=None
        Of `Answers.concepts` or `Answers.masks`: also ``concepts``.
    n_factors : int, default=20
        Factors that are drawn: the strongest.

    Returns
    -------
    dict of str to Figure
        What there is of ``latent-images``, ``inputs``, ``walk``, ``atlas``, ``decisions``, ``causes``, ``units``,
        ``residuals``, ``labels``, ``use``, ``stability``, ``comparison`` and ``concepts``: no latent
        images where no pictures were factored, no decisions where no linear layer follows. Of answers with an untrained
        network beside them also ``untrained-latent-images``, ``untrained-walk`` (its bars on the scales of the trained
        one's) and ``untrained-atlas``.

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
    if not 1 <= n_factors <= MOST_ROWS:
        raise ValueError(f"n_factors must be from 1 to {MOST_ROWS}, got {n_factors}")
    material = Material(answers, n_factors)
    ends = ends_of(material)
    use, stability = answers.tried("use") if full else None, answers.told_stability(full)
    labels = answers.tried("label_errors") if full and answers.labels is not None else None
    drawings: dict[str, Callable[[], Figure | None]] = {
        "latent-images": lambda: _latent(material),
        "inputs": lambda: _inputs(material),
        "walk": lambda: walk_figure(_walk(material, ends, stability, ablation)),
        "atlas": lambda: _atlas(material, ends),
        "decisions": lambda: _decisions(material),
        "causes": lambda: None if ablation is None else causes_figure(ablation),
        "units": lambda: _units(answers) if answers.units else None,
        "residuals": lambda: _residuals(material),
        "labels": lambda: None if not labels else labels_figure(labels, material.pictures),
        "use": lambda: None if use is None else network_use_figure(use),
        "stability": lambda: None if stability is None else stability_figure(stability),
        "comparison": lambda: None if comparison is None else comparison_figure(comparison),
        "concepts": lambda: None if concepts is None else concepts_figure(concepts),
    }
    if answers.untrained is not None:
        other = Material(answers.untrained, n_factors, ", untrained")
        scales = {bars.title: bars.range for bars in ends if bars.signed}
        others = [replace(bars, limits=scales.get(bars.title)) for bars in ends_of(other)]
        drawings |= {
            "untrained-latent-images": lambda: _latent(other),
            "untrained-walk": lambda: walk_figure(_walk(other, others, None, None)),
            "untrained-atlas": lambda: _atlas(other, others),
        }
    figures = {name: make() for name, make in drawings.items()}
    return {name: figure for name, figure in figures.items() if figure is not None}


def _units(answers: Answers) -> Figure:
    layers = {block.name: answers.result.layer(block.layer) for block in answers.result.blocks if block.layer}
    return units_figure(answers.units, {name: one.pool for name, one in layers.items() if len(one.shape) > 1})


def _signed(figure: Figure, material: Material) -> Figure:
    """Say of which network and inputs a figure is, so that it can be shown alone."""
    figure.supxlabel(material.said, x=0.005, ha="left", fontsize=6, color=QUIET, parse_math=False)
    return figure


def _latent(material: Material) -> Figure | None:
    if material.latent is None:
        return None
    labels, names = material.asked.labels, material.asked.class_names or []
    use = None if labels is None or not names else class_use(material.asked.result.F, labels, len(names))
    return _signed(latent_images(material.latent[: material.k], use, names), material)


def _inputs(material: Material) -> Figure | None:
    if material.top_pictures is None:
        return None
    layer = list(material.heat)[-1] if material.heat else ""
    names = [[material.input_name(number) for number in row] for row in material.top.tolist()]
    figure = inputs_with_heat(material.top_pictures, material.heat.get(layer), names, layer)
    return _signed(figure, material)


def _residuals(material: Material) -> Figure:
    found = material.asked.residuals
    worst = found.worst(WORST)
    names = [material.input_name(number) for number in worst.tolist()]
    return residuals_figure(found, worst, material.pictures(worst.tolist()), names)


def _walk(
    material: Material, ends: Sequence[Bars], stability: FactorStability | None, ablation: Ablation | None
) -> Walk:
    asked, k = material.asked, material.k
    layer_of = {block.name: block.layer for block in asked.result.blocks}
    layers = []
    for name in material.walked:
        maps = material.maps[name]
        last = asked.result.layer(str(layer_of[name])).output.channel_axis != 1
        places = as_maps(maps, channels_last=last)[:k] if maps.ndim > 2 else None
        if places is None and layer_of[name] in material.heat:
            places = material.heat[str(layer_of[name])][:, :1]
        layers.append(LayerWalk(name, places, material.channels[name], asked.shares[name]))
    notes = [_note(asked, factor, stability, ablation) for factor in range(k)]
    of = of_all(len(layers), len(material.maps), "blocks of layers")
    said = f"{material.said}{of}\n{HOW}"
    return Walk(material.latent, material.top_pictures, layers, ends, notes, said)


def _note(asked: Answers, factor: int, stability: FactorStability | None, ablation: Ablation | None) -> str:
    pixels = [f"{asked.shares[name][factor]:.0%}" for name in asked.result.picture_blocks]
    lines = [f"{', '.join(pixels)} of the pixels' squares"] if pixels else []
    if stability is not None:
        lines.append(f"{stability.verdicts[factor]}: {stability.counts[factor]}")
    if ablation is not None and factor in ablation.factors:
        row = ablation.factors.index(factor)
        hit = int(ablation.hit[row])
        points = 100 * ablation.change[row, hit]
        others = "" if ablation.beyond_alike[row] else "; others take as much"
        beyond = others if ablation.causes[row] else f", {ablation.verdicts[row]}"
        layer, name = shown(ablation.layer, 18), shown(ablation.classes[hit], 12)
        lines.append(f"taken out of {layer}:\nclass {name} {points:+.1f} points{beyond}")
    return "\n".join(lines)


def _atlas(material: Material, ends: Sequence[Bars]) -> Figure | None:
    if not material.channels:
        return None
    drawn = {name: material.channels[name] for name in material.walked}
    of = of_all(len(drawn), len(material.channels), "blocks of layers")
    return atlas(material.latent, drawn, ends, f"{material.said}{of}", material.k)


def _decisions(material: Material) -> Figure | None:
    asked = material.asked
    decisions = []
    for number, why in telling_decisions(asked).items():
        taken = asked.decision(number)
        if taken is None:
            return None
        n = len(asked.head.bias) if asked.head is not None else 0
        pictures = material.pictures([number])
        decisions.append(
            Decision(
                taken,
                why,
                material.input_name(number),
                material.class_name(taken.winner, n),
                material.class_name(taken.other, n),
                None if asked.labels is None else material.class_name(int(asked.labels[number])),
                None if pictures is None else pictures[0],
                material.latent,
            )
        )
    return _signed(decisions_figure(decisions), material) if decisions else None
