"""What ``cnn-probe study`` shows of single networks: the patterns of one of each of the paper's conditions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.answering.asking import ask
from cnn_probe.probing.fitting import Progress, ignore
from cnn_probe.report.document.of_result import result_part
from cnn_probe.report.document.packing import as_file, from_file
from cnn_probe.runs.saying import FORMAT, ablation_of
from cnn_probe.studies.settings import AS_TRAINED
from cnn_probe.studies.told import Probed

ABLATED = 200  # test images over which factors are taken out


def asked_of(probed: Probed) -> Answers:
    """What a network of a study says of the test images."""
    return ask(
        probed.result,
        probed.data.test,
        labels=probed.result.labels,
        class_names=probed.data.class_names,
        seed=probed.case.plan.seed,
        recorded=probed.recorded,
        unseen=True,  # test images
    )


@dataclass(frozen=True)
class Teller:
    """Says of a network what the page of studies shows of its patterns; of one that was treated nothing.

    Attributes
    ----------
    images : bool
        Whether the page may show images.
    progress : callable
        ``progress(what, done, total)``.
    """

    images: bool
    progress: Progress

    def __call__(self, probed: Probed) -> bytes:
        """Return its part of the page, as `as_file` writes it; without one if the page does not show it."""
        if probed.case.treatment != AS_TRAINED:
            return as_file({**self._asked, "part": None})
        began = time.perf_counter()
        asked = asked_of(probed)
        found = ablation_of(asked, probed.data.test, ABLATED, self.progress, "taking patterns out")
        part = result_part(asked, ablation=found, images=self.images)
        part["seconds"] = {"answers": time.perf_counter() - began}
        return as_file({**self._asked, "part": part})

    def __reduce__(self) -> tuple[type[Teller], tuple[bool, Progress]]:
        """Another process tells the same, but shows nothing: the bars are this one's."""
        return Teller, (self.images, ignore)

    def holds(self, page: bytes) -> bool:
        """Whether that is what it says of a network now: of this version, and with images or without as now asked."""
        try:
            found = from_file(page)
        except ValueError:
            return False
        return isinstance(found, dict) and self._asked.items() <= found.items()

    @property
    def _asked(self) -> dict[str, Any]:
        return {"format": FORMAT, "images": self.images}
