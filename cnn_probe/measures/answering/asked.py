"""What is asked of a result: inputs, labels and seeds, and whether an answer can be had of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.handover import to_host
from cnn_probe.measures.comparing.stability import FactorStability
from cnn_probe.measures.labels.sources import missing_sources
from cnn_probe.probing.fitting import Progress
from cnn_probe.probing.recording import Recorded
from cnn_probe.probing.result import ProbeResult
from coupled_nmf import Blocks


@dataclass(frozen=True, eq=False)
class Asked:
    """What `Answers` are of; there the attributes are described."""

    result: ProbeResult
    data: Any
    labels: NDArray[np.int64] | None
    class_names: Sequence[str] | None
    recorded: Recorded
    seed: int = 0
    untrained: Self | None = None
    unseen: bool = False
    watch: Progress | None = None
    starts: int | None = None

    @property
    def X(self) -> Blocks:
        """What was factored: `~coupled_nmf.Blocks`."""
        return self.recorded.X

    @cached_property
    def shares(self) -> dict[str, NDArray[np.float64]]:
        """What part of each block's squares each factor explains, (k,) by block."""
        found: dict[str, NDArray[np.float64]] = self.result.model.component_shares(self.X)
        return {name: np.asarray(to_host(values)) for name, values in found.items()}

    @property
    def accuracy(self) -> float | None:
        """Part of the inputs whose label the network predicts; None if its outputs are not those classes."""
        if self.labels is None or "network" in self.missing_sources:
            return None
        return float(np.mean(self.result.predictions == self.labels))

    @property
    def missing_sources(self) -> dict[str, str]:
        """Why a source of `label_errors` is not there, by its name: of "factors", "network" and "pixels" those."""
        if self.labels is None:
            return dict.fromkeys(("factors", "network", "pixels"), "no labels were given")
        return missing_sources(self.result, self.labels, self.class_names)

    @property
    def output_names(self) -> Sequence[str] | None:
        """Names of the network's outputs, if there is one for each class that has a name."""
        scores = self.result.scores
        named = self.class_names is not None and scores is not None and scores.shape[1] == len(self.class_names)
        return self.class_names if named else None

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

    def _watching(self, what: str) -> Callable[[int, int], None] | None:
        return None if self.watch is None else partial(self.watch, what)
