"""What the paper says that the numbers show, each as something that can be counted and held against chance."""

from cnn_probe.studies.claims.claim import LATER, Chart, Claim, Levels, Tally
from cnn_probe.studies.claims.labels import fires, recognizes
from cnn_probe.studies.claims.levels import falls, rises
from cnn_probe.studies.claims.numbers import QUALITY_CLAIMS, USE_CLAIMS, layer_error, least_rmse, rmse

__all__ = [
    "LATER",
    "QUALITY_CLAIMS",
    "USE_CLAIMS",
    "Chart",
    "Claim",
    "Levels",
    "Tally",
    "falls",
    "fires",
    "layer_error",
    "least_rmse",
    "recognizes",
    "rises",
    "rmse",
]
