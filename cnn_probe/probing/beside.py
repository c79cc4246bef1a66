"""What is kept of each sample beside the layers: what is made of the inputs, predictions, labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnn_probe.data.batches import Batch
from cnn_probe.probing.blocks import Inputs, input_blocks
from cnn_probe.probing.predictions import Predict, Predictions


@dataclass(frozen=True)
class Beside:
    """How a batch, and what the network returned for it, become rows of the store.

    Attributes
    ----------
    inputs, predict
        As `probe` takes them.
    kept : dict of str to (shape, dtype)
        What is kept beside the blocks.
    """

    inputs: Inputs
    predict: Predict | None
    kept: dict[str, tuple[tuple[int, ...], str]]

    def rows(self, batch: Batch, returned: Any, why_no_pictures: str) -> dict[str, Any]:
        """Return rows of each block of the inputs, and of what is kept beside the blocks, by name."""
        made = input_blocks(self.inputs, batch, why_no_pictures)
        rows: dict[str, Any] = {name: values.reshape(batch.n, -1) for name, values in made.items()}
        if "predictions" in self.kept:
            found = Predictions(self.predict).of(returned, batch.n)
            rows |= {name: found[name] for name in self.kept if name in found}
        return rows | ({"labels": batch.labels} if "labels" in self.kept else {})
