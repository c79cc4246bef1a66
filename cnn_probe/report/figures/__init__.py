"""Records in, Matplotlib figures out. Only ``drawings`` knows where numbers come from; none, what names look like."""

from cnn_probe.report.figures.channels import feature_maps, firing_groups, firing_maps, neuron_maps
from cnn_probe.report.figures.classes import class_overlap, recognized_classes
from cnn_probe.report.figures.curves import error_curves, spectrum
from cnn_probe.report.figures.latent import latent_images
from cnn_probe.report.figures.styles import EVERYTHING, UNTRAINED, Style, Styles

__all__ = [
    "EVERYTHING",
    "UNTRAINED",
    "Style",
    "Styles",
    "class_overlap",
    "error_curves",
    "feature_maps",
    "firing_groups",
    "firing_maps",
    "latent_images",
    "neuron_maps",
    "recognized_classes",
    "spectrum",
]
