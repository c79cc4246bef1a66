"""What the claims on the quality of training compare: one number of a network, at a rank or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cnn_probe.studies.claims.claim import Chart, Claim
from cnn_probe.studies.claims.levels import Measure, falls, rises

if TYPE_CHECKING:
    from cnn_probe.studies.record import NetworkRecord

PLACES = {"first": 0, "last": -1}  # layers of which the paper speaks
MEASURES = Chart("measures")


def rmse(record: NetworkRecord, rank: int) -> float:
    """Return the RMSE of the fit at that rank."""
    return record.fits[rank].rmse


def least_rmse(record: NetworkRecord, rank: int) -> float:
    """Return the RMSE below which no factorization of that rank can be: it goes with the root of the relative error."""
    fit = record.fits[rank]
    part = record.svd_floor[rank] / fit.relative_error if fit.relative_error > 0 else 0.0
    return float(fit.rmse * part**0.5)


def layer_error(record: NetworkRecord, rank: int, layer: str) -> float:
    """‖X_b − F H_b‖²/‖X_b‖² of one layer, in a fit in which every block weighs the same: free of scale."""
    return record.balanced[rank].block_relative_error[layer]


def _error_at(place: int) -> Measure:
    return lambda record, rank: layer_error(record, rank, record.layers[place])


def _at(place: int, of_layer: Callable[[NetworkRecord], dict[str, float]]) -> Measure:
    return lambda record, rank: of_layer(record)[record.layers[place]]


def _quality_claims() -> Iterator[Claim]:
    yield rises("RMSE rises with the quality of training", rmse, Chart("rmse"), by_rank=True)
    for name, place in PLACES.items():
        text = f"the {name} layer's relative error, free of scale, rises with the quality of training"
        yield rises(text, _error_at(place), Chart("error", place), by_rank=True)
    for name, place in PLACES.items():
        text = f"the {name} layer's effective rank rises with the quality of training"
        yield rises(text, _at(place, lambda record: record.effective_rank), MEASURES)
    text = "the last layer's effective rank, its mean taken away, rises with the quality of training"
    yield rises(text, _at(-1, lambda record: record.effective_rank_centred), MEASURES)


def _use_claims() -> Iterator[Claim]:
    for name, place in PLACES.items():
        text = f"the worse a network is trained, the more of the {name} layer's activations are zero"
        yield falls(text, _at(place, lambda record: record.zeros), MEASURES)
    for name, place in PLACES.items():
        text = f"the worse a network is trained, the more neurons of the {name} layer are dead"
        yield falls(text, _at(place, lambda record: record.dead_neurons), MEASURES)


QUALITY_CLAIMS = tuple(_quality_claims())
USE_CLAIMS = tuple(_use_claims())  # what figure 8 is to show: a network that is not well used
