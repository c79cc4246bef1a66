"""Look into a convolutional network by factoring its inputs and activations together."""

from cnn_probe.datasets import ImageData, ImageSet, load_dataset
from cnn_probe.networks import PaperNet, build_network, load_network, save_network
from cnn_probe.probe import ProbeResult, probe
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
