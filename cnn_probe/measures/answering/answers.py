"""All that a result says of its inputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.handover import to_host
from cnn_probe.activations.planning import Layer
from cnn_probe.measures.causes.ablation import Ablation
from cnn_probe.measures.causes.agreement import HeadAgreement, head_agreement
from cnn_probe.measures.causes.decisions import decide, makes_outputs
from cnn_probe.measures.causes.interventions import ablate
from cnn_probe.measures.causes.travel import LinearHead, TakenApart, head_of, logits_of_factors
from cnn_probe.measures.comparing.stability import FactorStability, factor_stability
from cnn_probe.measures.labels.errors import LabelErrors
from cnn_probe.measures.labels.sources import label_errors_of, missing_sources
from cnn_probe.measures.patterns.aligned import Aligned, align_all, overlap_all
from cnn_probe.measures.patterns.concepts import Alignment, Overlap
from cnn_probe.measures.patterns.sharing import Patterns, shared_patterns
from cnn_probe.measures.residuals import Residuals, measure_residuals
from cnn_probe.measures.table import Table
from cnn_probe.measures.units import SAME, Kind, LayerUnits, measure_units
from cnn_probe.measures.use import NetworkUse, network_use
from cnn_probe.probing.fitting import Progress
from cnn_probe.probing.notebook import html_of
from cnn_probe.probing.recording import Recorded
from cnn_probe.probing.result import ProbeResult
from cnn_probe.system.names import file_name
from coupled_nmf import Blocks

TOP = 9  # inputs that are named of each factor: as many as make a square
MOST_UNITS = 4096  # of a layer, of which all are compared with each other


@dataclass(frozen=True, eq=False)
class Answers:
    """What a result says: each answer is found when it is first asked for, and has a ``table()``.

    Attributes
    ----------
    result : ProbeResult
    data
        The inputs of the fit, as `probe` took them.
    labels : ndarray of int of shape (n_inputs,) or None
        A class for each input. Nothing looks at labels that are not given here.
    class_names : sequence of str or None
    recorded : Recorded
        The inputs, recorded again.
    seed : int
    untrained : Answers or None
        Of the same network, untrained: what stands beside answers that could flatter.
    unseen : bool
        Whether the network was trained without these inputs.
    watch : callable or None
        ``watch(what, done, total)``, called while answers that take fits are found.
    starts : int or None
        Starts of the factorization that `stability` is of, the fit's own among them; None for six, which are made only
        where all is asked for.
    """

    result: ProbeResult
    data: Any
    labels: NDArray[np.int64] | None
    class_names: Sequence[str] | None
    recorded: Recorded
    seed: int = 0
    untrained: Answers | None = None
    unseen: bool = False
    watch: Progress | None = None
    starts: int | None = None

    @property
    def X(self) -> Blocks:
        """What was factored."""
        return self.recorded.X

    @cached_property
    def shares(self) -> dict[str, NDArray[np.float64]]:
        """What part of each block's squares each factor explains, (k,) by block."""
        found: dict[str, NDArray[np.float64]] = self.result.model.component_shares(self.X)
        return {name: np.asarray(to_host(values)) for name, values in found.items()}

    @cached_property
    def patterns(self) -> Patterns:
        """Which inputs share each pattern; with labels, how it goes with them, beside chance."""
        return shared_patterns(
            self.result.F,
            shares=self.shares,
            labels=self.labels,
            classes=self.class_names,
            n_top=TOP,
            seed=self.seed,
        )

    @property
    def accuracy(self) -> float | None:
        """Part of the inputs whose label the network predicts; None if its outputs are not those classes."""
        if self.labels is None or "network" in self.missing_sources:
            return None
        return float(np.mean(self.result.predictions == self.labels))

    @property
    def output_names(self) -> Sequence[str] | None:
        """Names of the network's outputs, if there is one for each class that has a name."""
        scores = self.result.scores
        named = self.class_names is not None and scores is not None and scores.shape[1] == len(self.class_names)
        return self.class_names if named else None

    def __repr__(self) -> str:
        labelled = "no labels" if self.labels is None else "labels"
        return f"Answers({self.result!r}, {labelled})"

    def _repr_html_(self) -> str:
        heads, rows = self.patterns.in_short()
        return html_of(self.result, heads, rows)

    @cached_property
    def units(self) -> dict[str, LayerUnits]:
        """By block of a layer: which units are dead, redundant or, with labels, of one class."""
        found = {}
        for block in self.result.blocks:
            if block.layer is None:
                continue
            how = self.result.layer(block.layer)
            found[block.name] = measure_units(
                self.X[block.name],
                how.block_shape if how.keeps_places else None,
                channel_axis=how.output.channel_axis - 1 if how.keeps_places else 0,
                labels=self.labels,
                classes=self.class_names,
                H=self.result.model.block_components_[block.name],
                same=SAME if self.X[block.name].shape[1] <= MOST_UNITS else None,
                seed=self.seed,
                kind=_kind_of(how),
            )
        return found

    @cached_property
    def residuals(self) -> Residuals:
        """What is not explained of each input and block."""
        model = self.result.model
        weights = dict(zip(self.X.names, map(float, model.block_weights_), strict=True))
        return measure_residuals(self.X, self.result.F, model.block_components_, block_weights=weights)

    @cached_property
    def use(self) -> NetworkUse:
        """How much of the network is used, beside an SVD, k-means, and a separate factorization of each block."""
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
        """Which factors come out again from other starts, five unless told otherwise, and from halves of the inputs."""
        return factor_stability(
            self.X,
            self.result.model,
            self.result.F,
            n_starts=5 if self.starts is None else self.starts - 1,
            random_state=self.seed,
            progress=self._watching("which factors come out again"),
        )

    def _watching(self, what: str) -> Callable[[int, int], None] | None:
        return None if self.watch is None else partial(self.watch, what)

    @cached_property
    def head(self) -> LinearHead | None:
        """The linear layer that makes the outputs of the last layer recorded; None if there is none.

        It is one only if it makes the network's outputs of every input, unless the layer was clipped.
        """
        found = head_of(self.result, self.data, n=len(self.result.F))
        return found if found is not None and makes_outputs(self.result, found, self.X) else None

    @cached_property
    def added(self) -> NDArray[np.float64] | None:
        """What each factor adds to each output on average over the inputs, (k, n_outputs), through the linear head."""
        if self.head is None:
            return None
        found: NDArray[np.float64] = logits_of_factors(self.result, self.head) * self.result.F.mean(axis=0)[:, None]
        return found

    @cached_property
    def head_agreement(self) -> HeadAgreement | None:
        """For how many inputs the head gives the network's class of F H, beside an SVD; None without a linear head.

        With labels, and an output for each class, it says how accurate the network, F H and the SVD are, too.
        """
        if self.head is None or len(self.head.bias) < 2:
            return None
        labels = None if "network" in self.missing_sources else self.labels
        return head_agreement(self.result, self.head, self.X, labels=labels, seed=self.seed)

    def decision(self, number: int, other: int | None = None) -> TakenApart | None:
        """One decision, split into what each factor adds to it, through the linear head; None if there is no such head.

        Parameters
        ----------
        number : int
            Of the input.
        other : int, default=None
            The class that the predicted one is held against; None for the second.

        Raises
        ------
        ValueError
            If there is no such input or class.
        """
        if not 0 <= number < len(self.result.F):
            raise ValueError(f"number must be from 0 to {len(self.result.F) - 1}, got {number}")
        if self.head is None or len(self.head.bias) < 2:
            return None
        if other is not None and not 0 <= other < len(self.head.bias):
            raise ValueError(f"other must be from 0 to {len(self.head.bias) - 1}, got {other}")
        return decide(self.result, self.head, self.X, number, other)

    @cached_property
    def label_errors(self) -> dict[str, LabelErrors]:
        """Which labels look wrong, by the factors, the network's probabilities and the pixels, where there are such.

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

    @property
    def missing_sources(self) -> dict[str, str]:
        """Why a source of `label_errors` is not there, by its name: of "factors", "network" and "pixels" those."""
        if self.labels is None:
            return dict.fromkeys(("factors", "network", "pixels"), "no labels were given")
        return missing_sources(self.result, self.labels, self.class_names)

    def told_stability(self, full: bool) -> FactorStability | None:
        """Return `stability`, as of `tried`, if all is asked for or a number of starts was."""
        found: FactorStability | None = self.tried("stability") if full or self.starts is not None else None
        return found

    def tried(self, answer: str) -> Any:
        """An answer by its name; None, with a warning once that says why, where it cannot be had of these inputs.

        Fits to halves need twice as many inputs as factors, and labels of one class tell nothing.
        """
        if answer in self.not_there:
            return None
        try:
            return getattr(self, answer)
        except ValueError as error:
            self.not_there[answer] = str(error)
            warnings.warn(f"there is no {answer} of these inputs: {error}", stacklevel=2)
            return None

    @cached_property
    def not_there(self) -> dict[str, str]:
        """Answers that were `tried` and cannot be had of these inputs, and why."""
        return {}

    def concepts(self, concepts: Any, names: Sequence[str] | None = None, **how: Any) -> Aligned[Alignment]:
        """How well factors, and the units of each layer, tell the inputs that have a concept from the others.

        The parameters are those of `align_all`: ``concepts`` are booleans by name or by column, or labels, of which
        each is a concept; what chance reaches stands beside.
        """
        return align_all(self.result, self.X, concepts, names, **{"seed": self.seed, **how})

    def masks(self, masks: Mapping[str, Any], layer: str | None = None, **how: Any) -> Aligned[Overlap]:
        """How well the places of factors, and of a whole layer's channels, cover masks of concepts in the inputs.

        The parameters are those of `overlap_all`: ``masks`` are booleans (n_inputs, height, width) by concept.
        """
        return overlap_all(self.result, self.X, self.data, masks, layer, **{"seed": self.seed, **how})

    def causes(self, layer: str | None = None, *, data: Any = None, **how: Any) -> Ablation:
        """What becomes of the predictions when factors are taken out of a layer; the parameters are those of `ablate`.

        ``data`` are other inputs, fewer for instance, than those of the fit.
        """
        return ablate(
            self.result,
            self.data if data is None else data,
            layer,
            **{"seed": self.seed, "class_names": self.output_names, **how},
        )

    def tables(self, *, label_errors: bool = True, full: bool = False) -> dict[str, Table]:
        """The answers that cost no further fit, by a name for a file each; of labels, if there are any.

        ``added`` is among them if there is a linear head. With ``full`` so are those that take fits, where they can be
        had: `use`, `head_agreement` and `stability`.
        """
        found = {"patterns": self.patterns.table(), "residuals": self.residuals.table()}
        if self.added is not None:
            names = self.output_names or range(self.added.shape[1])
            columns = {f"adds_to_{name}": adds for name, adds in zip(names, self.added.T, strict=True)}
            found["added"] = Table({"factor": range(len(self.added)), **columns})
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


def _kind_of(how: Layer) -> Kind:
    """What a column of a layer's block is."""
    if how.pool == "whole" or len(how.shape) < 2:
        return "neuron"
    return "place" if how.of_places else "channel"
