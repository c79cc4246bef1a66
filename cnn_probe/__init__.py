"""Look into a convolutional network by factoring its inputs and activations together."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_probe.datasets import ImageData, ImageSet, load_dataset
    from cnn_probe.networks import PaperNet, build_network, load_network, save_network
    from cnn_probe.probing import probe
    from cnn_probe.result import ProbeResult
    from cnn_probe.training import TrainingPlan, evaluate, train

__all__ = [
    "ImageData",
    "ImageSet",
    "PaperNet",
    "ProbeResult",
    "TrainingPlan",
    "build_network",
    "evaluate",
    "load_dataset",
    "load_network",
    "probe",
    "save_network",
    "train",
]

# Imported when first asked for: PyTorch takes seconds, which the command line's --help has no need of.
_HOMES = {
    "cnn_probe.datasets": ("ImageData", "ImageSet", "load_dataset"),
    "cnn_probe.networks": ("PaperNet", "build_network", "load_network", "save_network"),
    "cnn_probe.probing": ("probe",),
    "cnn_probe.result": ("ProbeResult",),
    "cnn_probe.training": ("TrainingPlan", "evaluate", "train"),
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
