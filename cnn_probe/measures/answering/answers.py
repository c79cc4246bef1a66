"""All that a result says of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.measures.answering.asked import Asked
from cnn_probe.measures.answering.of_outputs import added_to_outputs, checked_head, decision_of, table_of_added
from cnn_probe.measures.answering.of_units import units_of
from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.causes.agreement import HeadAgreement, head_agreement
from cnn_probe.measures.causes.interventions import ablate
from cnn_probe.measures.causes.travel import LinearHead, TakenApart
from cnn_probe.measures.comparing.stability import FactorStability, factor_stability
from cnn_probe.measures.labels.errors import LabelErrors
from cnn_probe.measures.labels.sources import label_errors_of
from cnn_probe.measures.patterns.aligned import Aligned, align_all, overlap_all
from cnn_probe.measures.patterns.concepts import Alignment, Overlap
from cnn_probe.measures.patterns.sharing import Patterns, shared_patterns
from cnn_probe.measures.residuals import Residuals, measure_residuals
from cnn_probe.measures.table import Table
from cnn_probe.measures.units import LayerUnits
from cnn_probe.measures.use import NetworkUse, network_use
from cnn_probe.probing.notebook import html_of
from cnn_probe.system.names import file_name

TOP = 9  # inputs that are named of each factor: as many as make a square


@dataclass(frozen=True, eq=False)
class Answers(Asked):
    """What a result says of its inputs, as `ask` gives it: each answer is found when it is first asked for.

    * `patterns`, `units`, `residuals`, `use`, `stability`, `label_errors`, `head_agreement`: properties, with a
      ``table()`` each, or one for each block or source.
    * `causes()`, `concepts()`, `masks()`, `decision()`: questions of your own.
    * `tables()`, `save()`: all of it as tables.

    Attributes
    ----------
    result : ProbeResult
    data, seed, untrained, unseen, watch, starts
        As `ask` was given them.
    labels : ndarray of int of shape (n_inputs,) or None
        A class for each input. Nothing looks at labels that are not given here.
    class_names : sequence of str or None
        Those of the data, where `ask` was given none.
    recorded : Recorded
        The inputs, recorded again.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from cnn_probe import ask, probe
    >>> images = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> answers = ask(probe(network, images, n_components=2), images)
    >>> answers.patterns.top.shape, answers.units["2"].neurons.dead.shape
    ((2, 9), (8,))
    >>> answers.decision(0).factors.shape, list(answers.tables())
    ((2,), ['patterns', 'residuals', 'added', 'units-2'])
    """

    @cached_property
    def patterns(self) -> Patterns:
        """Which inputs share each pattern; with labels, how it goes with them, beside chance: `.Patterns`."""
        return shared_patterns(
            self.result.F,
            shares=self.shares,
            labels=self.labels,
            classes=self.class_names,
            n_top=TOP,
            seed=self.seed,
        )

    @cached_property
    def units(self) -> dict[str, LayerUnits]:
        """By block of a layer, `.LayerUnits`: which units are dead, redundant or, with labels, of one class."""
        return units_of(self.result, self.X, labels=self.labels, class_names=self.class_names, seed=self.seed)

    @cached_property
    def residuals(self) -> Residuals:
        """What is not explained of each input and block: `.Residuals`."""
        model = self.result.model
        weights = dict(zip(self.X.names, map(float, model.block_weights_), strict=True))
        return measure_residuals(self.X, self.result.F, model.block_components_, block_weights=weights)

    @cached_property
    def use(self) -> NetworkUse:
        """How much of the network is used, beside an SVD, k-means, and a separate factorization of each block.

        It is a `.NetworkUse`, and takes further fits.
        """
        beside = None if self.untrained is None else self.untrained.use
        return network_use(
            self.X,
            self.result.model,
            self.result.F,
            untrained=beside,
            random_state=self.seed,
            progress=self._watching("how much is used"),
        )

    @cached_property
    def stability(self) -> FactorStability:
        """Which factors come out again from other starts, five unless told otherwise, and from halves of the inputs.

        It is a `.FactorStability`, and takes further fits.
        """
        return factor_stability(
            self.X,
            self.result.model,
            self.result.F,
            n_starts=5 if self.starts is None else self.starts - 1,
            random_state=self.seed,
            progress=self._watching("which factors come out again"),
        )

    @cached_property
    def label_errors(self) -> dict[str, LabelErrors]:
        """By source, `.LabelErrors`: which labels look wrong by the factors, the network's probabilities, the pixels.

        The network's are taken by the number of the class, if it has an output for each. Without ``class_names``,
        classes that no input has are left out, and those that are there add up to 1. `missing_sources` says which
        source there is not, and why.

        Raises
        ------
        ValueError
            If no labels were given.
        """
        if self.labels is None:
            raise ValueError("which labels look wrong cannot be said without labels; give them: ask(..., labels=)")
        return label_errors_of(self.result, self.X, self.labels, self.class_names, unseen=self.unseen, seed=self.seed)

    @cached_property
    def head_agreement(self) -> HeadAgreement | None:
        """For how many inputs the head gives the network's class of F H, beside an SVD; None without a linear head.

        With labels, and an output for each class, it says how accurate the network, F H and the SVD are, too:
        `.HeadAgreement`.
        """
        if self.head is None or len(self.head.bias) < 2:
            return None
        labels = None if "network" in self.missing_sources else self.labels
        return head_agreement(self.result, self.head, self.X, labels=labels, seed=self.seed)

    def causes(self, layer: str | None = None, *, data: Any = None, **how: Any) -> Ablation:
        """What becomes of the predictions when factors are taken out of a layer; the parameters are those of `ablate`.

        ``data`` are other inputs, fewer for instance, than those of the fit. It is an `.Ablation`.
        """
        return ablate(
            self.result,
            self.data if data is None else data,
            layer,
            **{"seed": self.seed, "class_names": self.output_names, **how},
        )

    def concepts(self, concepts: Any, names: Sequence[str] | None = None, **how: Any) -> Aligned[Alignment]:
        """How well factors, and the units of each layer, tell the inputs that have a concept from the others.

        Parameters
        ----------
        concepts : mapping of str to array of bool, array of bool of shape (n_inputs, m), or array of labels
            By name or by column, true of the inputs that have it; labels are whole numbers or text, each a concept.
        names : sequence of str, default=None
            Of the columns or the labels; None for their numbers, and for a mapping.
        **how
            ``n_permutations=200`` of the inputs, which say what chance reaches, and ``seed``.

        Returns
        -------
        `.Aligned`
            Of each `.Alignment`.

        Raises
        ------
        ValueError
            If the concepts are not booleans, one row an input, there is not one name each, or there are fewer than 20
            permutations.
        """
        return align_all(self.result, self.X, concepts, names, **{"seed": self.seed, **how})

    def masks(self, masks: Mapping[str, Any], layer: str | None = None, **how: Any) -> Aligned[Overlap]:
        """How well the places of factors, and of a whole layer's channels, cover masks of concepts in the inputs.

        Parameters
        ----------
        masks : mapping of str to array of bool of shape (n_inputs, height, width)
            By concept; of any size.
        layer : str, default=None
            One of ``result.layers``; None for the last with places in two directions.
        **how
            ``top=0.005``, ``n_resamples=200``, ``n_permutations=200`` and ``seed``: the part of a map's places that
            counts as high, resamples of the inputs for the intervals, and permutations of the masks over the inputs,
            which say what chance reaches.

        Returns
        -------
        `.Aligned`
            Of each `.Overlap`.

        Raises
        ------
        ValueError
            If the layer has no places in two directions, a mask is not of booleans, one map an input, or there are
            fewer than 20 permutations.
        """
        return overlap_all(self.result, self.X, self.data, masks, layer, **{"seed": self.seed, **how})

    def decision(self, number: int, other: int | None = None) -> TakenApart | None:
        """One decision, split into what each factor adds to it, through the linear head.

        Parameters
        ----------
        number : int
            Of the input.
        other : int, default=None
            The class that the predicted one is held against; None for the second.

        Returns
        -------
        `.TakenApart` or None
            None if there is no such head.

        Raises
        ------
        ValueError
            If there is no such input or class.
        """
        return decision_of(self.result, self.head, self.X, number, other)

    def tables(self, *, label_errors: bool = True, full: bool = False) -> dict[str, Table]:
        """The answers that cost no further factorization, each by a name for a file, as `.Table`.

        ``added`` is among them if there is a linear head, and with labels those of `label_errors`, unless told
        otherwise. With ``full`` so are `use`, `head_agreement` and `stability`, where they can be had.
        """
        found = {"patterns": self.patterns.table(), "residuals": self.residuals.table()}
        if self.added is not None:
            found["added"] = table_of_added(self.added, self.output_names)
        for name, units in self.units.items():
            found[f"units-{file_name(name)}"] = units.table()
            if units.channels is not None:
                found[f"channels-{file_name(name)}"] = units.channels.table()
        if label_errors and self.labels is not None:
            by_source = self.tried("label_errors") or {}
            found |= {f"labels-{source}": errors.table() for source, errors in by_source.items()}
        asked = {name: self.tried(name) for name in ("use", "head_agreement", "stability")} if full else {}
        return found | {name.replace("_", "-"): one.table() for name, one in asked.items() if one is not None}

    def save(self, folder: str | Path, *, full: bool = False) -> list[Path]:
        """Write `tables` as CSV files into a folder, which is made if need be; return their paths."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        paths = []
        for name, table in self.tables(full=full).items():
            paths.append(Path(folder) / f"{name}.csv")
            table.to_csv(paths[-1])
        return paths

    @cached_property
    def head(self) -> LinearHead | None:
        """The linear layer that makes the outputs of the last layer recorded, a `.LinearHead`; None if there is none.

        It is one only if it makes the network's outputs of every input, unless the layer was clipped.
        """
        return checked_head(self.result, self.data, self.X)

    @cached_property
    def added(self) -> NDArray[np.float64] | None:
        """What each factor adds to each output on average over the inputs, (k, n_outputs), through the linear head."""
        return None if self.head is None else added_to_outputs(self.result, self.head)

    def __repr__(self) -> str:
        labelled = "no labels" if self.labels is None else "labels"
        return f"Answers({self.result!r}, {labelled})"

    def _repr_html_(self) -> str:
        heads, rows = self.patterns.in_short()
        return html_of(self.result, heads, rows)
