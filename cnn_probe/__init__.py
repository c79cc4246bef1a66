"""Look into a convolutional network by factoring its inputs and activations together."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_probe.activations.store.finished import open_store
    from cnn_probe.data.datasets import load_dataset
    from cnn_probe.data.images import ImageData, ImageSet
    from cnn_probe.data.picture_folder import PictureFolder
    from cnn_probe.measures.answering.answers import Answers
    from cnn_probe.measures.answering.asking import ask
    from cnn_probe.measures.causes.interventions import ablate
    from cnn_probe.measures.comparing.comparison import compare
    from cnn_probe.measures.comparing.joint import joint_blocks, joint_use
    from cnn_probe.measures.comparing.stability import refits
    from cnn_probe.networks.paper_net import PaperNet, build_network, load_network, save_network
    from cnn_probe.networks.training import evaluate, train
    from cnn_probe.networks.training_plan import TrainingPlan
    from cnn_probe.probing.probe import probe
    from cnn_probe.probing.result import ProbeResult
    from cnn_probe.report.drawing import draw
    from cnn_probe.report.pages import save_page
    from cnn_probe.runs.studying import StudyResult, study

__all__ = [
    "Answers",
    "ImageData",
    "ImageSet",
    "PaperNet",
    "PictureFolder",
    "ProbeResult",
    "StudyResult",
    "TrainingPlan",
    "ablate",
    "ask",
    "build_network",
    "compare",
    "draw",
    "evaluate",
    "joint_blocks",
    "joint_use",
    "load_dataset",
    "load_network",
    "open_store",
    "probe",
    "refits",
    "save_network",
    "save_page",
    "study",
    "train",
]

# Imported when first asked for: PyTorch takes seconds, which the command line's --help has no need of.
_HOMES = {
    "cnn_probe.activations.store.finished": ("open_store",),
    "cnn_probe.data.datasets": ("load_dataset",),
    "cnn_probe.data.images": ("ImageData", "ImageSet"),
    "cnn_probe.data.picture_folder": ("PictureFolder",),
    "cnn_probe.measures.answering.answers": ("Answers",),
    "cnn_probe.measures.answering.asking": ("ask",),
    "cnn_probe.measures.causes.interventions": ("ablate",),
    "cnn_probe.measures.comparing.comparison": ("compare",),
    "cnn_probe.measures.comparing.joint": ("joint_blocks", "joint_use"),
    "cnn_probe.measures.comparing.stability": ("refits",),
    "cnn_probe.networks.paper_net": ("PaperNet", "build_network", "load_network", "save_network"),
    "cnn_probe.networks.training": ("evaluate", "train"),
    "cnn_probe.networks.training_plan": ("TrainingPlan",),
    "cnn_probe.probing.probe": ("probe",),
    "cnn_probe.probing.result": ("ProbeResult",),
    "cnn_probe.report.drawing": ("draw",),
    "cnn_probe.report.pages": ("save_page",),
    "cnn_probe.runs.studying": ("StudyResult", "study"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
