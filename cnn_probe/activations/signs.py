"""Activations of either sign as what a non-negative factorization takes, and the way back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Sign = Literal["+", "-"]  # which activations of a layer a block holds: those above zero, or those below

CHUNK = 4096  # float32 squares that are summed as such, before float64 takes the sums: 30 times as fast
PIECE = 64 * CHUNK  # activations at a time, whose negative parts then stay in the processor's cache
PLAIN = (1e-15, 1e15)  # largest magnitudes whose squares float32 can sum that way
SHOWN = 8  # layers that a message names; the rest are counted


@dataclass(frozen=True)
class SignRule:
    """What becomes of negative activations.

    Attributes
    ----------
    parts : callable(values, smallest) -> tuple of Tensor
        A layer's activations as its blocks take them, in the order of ``signs``; where nothing need be changed they
        are the same tensor. ``smallest`` is the least of the values.
    signs : tuple of {"+", "-"}
        One for each block of the layer.
    refuses : bool
        Negative activations are an error.
    shifts : bool
        The blocks hold them as they are until all data have been seen, and the minimum of each channel with them.
    """

    parts: Callable[[Tensor, float], tuple[Tensor, ...]]
    signs: tuple[Sign, ...] = ("+",)
    refuses: bool = False
    shifts: bool = False


def _as_they_are(values: Tensor, smallest: float) -> tuple[Tensor, ...]:
    return (values,)


def _clipped(values: Tensor, smallest: float) -> tuple[Tensor, ...]:
    return (values if smallest >= 0 else values.clamp(min=0),)


def _halves(values: Tensor, smallest: float) -> tuple[Tensor, ...]:
    return values.clamp(min=0), values.neg().clamp_(min=0)


SIGN_RULES = {
    "error": SignRule(_as_they_are, refuses=True),
    "clip": SignRule(_clipped),
    "split": SignRule(_halves, signs=("+", "-")),
    "shift": SignRule(_as_they_are, shifts=True),
}


def block_name(layer: str, sign: Sign = "+") -> str:
    """Return what the block of a layer is called that holds its activations of a sign.

    Examples
    --------
    >>> block_name("gelu"), block_name("gelu", "-")
    ('gelu', 'gelu (negative)')
    """
    return layer if sign == "+" else f"{layer} (negative)"


def restore(parts: Mapping[Sign, Any], minima: Any = None) -> Any:
    """Return the activations whose blocks these are, by whatever rule they were made.

    Parameters
    ----------
    parts : mapping of {"+", "-"} to array or Tensor of shape (n, n_features)
        The blocks of one layer, or what a factorization makes of them.
    minima : array or Tensor of shape (n_features,), default=None
        What was subtracted, of "shift".

    Returns
    -------
    array or Tensor of shape (n, n_features)
        The positive part less the negative, and the minima added. What was clipped stays zero.

    Examples
    --------
    >>> restore({"+": np.array([[2.0, 0.0]]), "-": np.array([[0.0, 3.0]])})
    array([[ 2., -3.]])
    """
    values = parts["+"]
    if "-" in parts:
        values = values - parts["-"]
    return values if minima is None else values + minima


def as_float32(values: Tensor) -> Tensor:
    """Return a layer's output detached, and in float32 before anything is summed: sums of halves would overflow."""
    return values.detach().to(torch.float32)


class Seen:
    """What has been seen of one layer's activations, batch by batch, before anything is done about their signs.

    Parameters
    ----------
    layer : str
        Its name, for messages.
    rule : {"error", "clip", "split", "shift"}, default="error"
        What is to be done. Nothing is summed under "error" before there is something to refuse.
    channel_axis : int, default=1
        Of the output, whose axis 0 is the sample.

    Attributes
    ----------
    smallest : float
        The least activation.
    energy, negative_energy : float
        Sums of squares, of all activations and of those below zero; under "error" of the batch that is refused alone.
    minima : float32 array of shape (n_channels,) or None
        The least activation of each channel, under "shift".

    Examples
    --------
    >>> seen = Seen("gelu", "clip")
    >>> seen.add(torch.tensor([[3.0, -4.0]])), seen.dropped()["clip"]
    (-4.0, 0.64)
    """

    def __init__(self, layer: str, rule: str = "error", channel_axis: int = 1) -> None:
        self.layer, self.rule, self._axis = layer, SIGN_RULES[rule], channel_axis
        self.smallest, self.energy, self.negative_energy = math.inf, 0.0, 0.0
        self.minima: NDArray[np.float32] | None = None
        self._sums: NDArray[np.float64] | None = None  # of each channel
        self._count = 0  # activations a channel

    @property
    def refused(self) -> bool:
        """Whether the rule forbids what has been seen."""
        return self.rule.refuses and self.smallest < 0

    def add(self, values: Tensor) -> float:
        """Take a batch of float32 activations, shape (n, ...), into account, and return the least of them.

        Raises
        ------
        ValueError
            If one is infinite or NaN.
        """
        smallest, largest = (float(end) for end in torch.aminmax(values))
        if not (math.isfinite(smallest) and math.isfinite(largest)):
            raise ValueError(
                f"layer {self.layer!r} has activations that are infinite or NaN; look at its weights and inputs"
            )
        self.smallest = min(self.smallest, smallest)
        if self.refused or not self.rule.refuses:
            magnitude = max(-smallest, largest)
            self.energy += _energy(values, magnitude)
            if smallest < 0:
                self.negative_energy += _energy(values, magnitude, negative=True)
        if self.rule.shifts or self.refused:
            self._add_channels(values, max(-smallest, largest))
        return smallest

    def _add_channels(self, values: Tensor, magnitude: float) -> None:
        flat = values.ndim < 3  # without places
        channels = values.reshape(len(values), -1, 1) if flat else values.movedim(self._axis, 1).flatten(2)
        minima = channels.amin(dim=(0, 2)).cpu().numpy()
        exact = channels if PLAIN[0] < magnitude < PLAIN[1] else channels.double()
        sums = exact.sum(dim=2).sum(dim=0, dtype=torch.float64).cpu().numpy()
        self.minima = minima if self.minima is None else np.minimum(self.minima, minima)
        self._sums = sums if self._sums is None else self._sums + sums
        self._count += channels.shape[0] * channels.shape[2]

    def dropped(self) -> dict[str, float]:
        """Return the share of the layer's energy that each choice would drop."""
        share = self.negative_energy / self.energy if self.energy else 0.0
        return {"clip": share, "split": 0.0, "shift": 0.0}

    def added(self) -> float:
        """Return what "shift" adds to the layer's energy, as a share of it; below 0 if it takes some away."""
        if self.minima is None or self._sums is None or not self.energy:
            return 0.0
        minima = self.minima.astype(np.float64)
        return float(self._count * minima @ minima - 2 * minima @ self._sums) / self.energy

    def running(self) -> dict[str, Any]:
        """Return all that `go_on` needs: numbers, and arrays or None."""
        return {
            "smallest": self.smallest,
            "energy": self.energy,
            "negative_energy": self.negative_energy,
            "minima": self.minima,
            "sums": self._sums,
            "count": self._count,
        }

    def follow(self, running: Mapping[str, Any]) -> None:
        """Take a batch into account that was seen by itself elsewhere: to the same bits as `add` does."""
        self.smallest = min(self.smallest, running["smallest"])
        self.energy += running["energy"]
        self.negative_energy += running["negative_energy"]
        self._count += running["count"]
        if running["minima"] is not None:
            minima, sums = running["minima"], running["sums"]
            self.minima = minima if self.minima is None else np.minimum(self.minima, minima)
            self._sums = sums if self._sums is None else self._sums + sums

    def go_on(self, running: Mapping[str, Any]) -> None:
        """Be what was seen when `running` returned this."""
        self.smallest, self.energy = running["smallest"], running["energy"]
        self.negative_energy, self._count = running["negative_energy"], running["count"]
        self.minima, self._sums = running["minima"], running["sums"]


def _energy(values: Tensor, magnitude: float, *, negative: bool = False) -> float:
    """Sum of squares, of the negative ones alone if asked for; ``magnitude`` is the largest."""
    plain = PLAIN[0] < magnitude < PLAIN[1]
    total = torch.zeros((), dtype=torch.float64, device=values.device)
    for piece in values.reshape(-1).split(PIECE):
        some = piece.clamp(max=0) if negative else piece
        whole = len(some) // CHUNK * CHUNK if plain else 0
        norms = torch.linalg.vector_norm(some[:whole].view(-1, CHUNK), dim=1).double()
        rest = torch.linalg.vector_norm(some[whole:], dtype=torch.float64)
        total += norms.square().sum() + rest.square()
    return float(total)


def refusal(seen: Sequence[Seen]) -> ValueError:
    """Return the one error about all layers whose negative activations are refused.

    Parameters
    ----------
    seen : sequence of Seen
        Of all layers, or some; those that are not refused are not named.
    """
    refused = [one for one in seen if one.refused]
    lines = [
        f"  {one.layer!r}: down to {one.smallest:.3g}; {one.dropped()['clip']:.2%} of its energy is negative, "
        f'"shift" would {"add" if one.added() >= 0 else "take"} {abs(one.added()):.1%}'
        for one in refused[:SHOWN]
    ]
    if len(refused) > SHOWN:
        lines.append(f"  and {len(refused) - SHOWN} more")
    who = "a layer has" if len(refused) == 1 else f"{len(refused)} layers have"
    return ValueError(
        f"{who} negative activations (in the batches so far), and a non-negative factorization cannot take them:\n"
        + "\n".join(lines)
        + f'\nchoose for all, or by layer as in negative={{{refused[0].layer!r}: "split"}}:\n'
        '  "split" loses nothing: positive and negative parts are two blocks of the layer\n'
        '  "shift" loses nothing: of each channel its minimum over all inputs is subtracted, which changes its energy\n'
        '  "clip" sets them to zero: the negative share above is lost\n'
        "or probe the layers behind a ReLU"
    )
