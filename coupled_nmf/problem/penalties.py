"""What is added to J for the size of the factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.arrays import real_numbers
from coupled_nmf.data.blocks import BlockLayout


@dataclass(frozen=True)
class Penalties:
    """J + 2 l1_F ΣF + l2_F ΣF² + Σ_b (2 l1_H_b ΣH_b + l2_H_b ΣH_b²): as it enters the moves, which halve J."""

    l1_F: float
    l2_F: float
    l1_H: NDArray[np.float64]
    l2_H: NDArray[np.float64]

    @classmethod
    def scaled(cls, layout: BlockLayout, n_samples: float, alpha_F: float, alpha_H: Any, l1_ratio: float) -> Penalties:
        """As scikit-learn scales them: ``alpha_F`` times n_features, ``alpha_H`` (a number, or one a block) times
        n_samples, so that each keeps its meaning beside a loss that grows with both.
        """
        if isinstance(alpha_H, str):  # 'same'
            alpha_H = alpha_F
        on_H = np.full(len(layout.names), alpha_H) if np.isscalar(alpha_H) else alpha_of_blocks(layout, alpha_H)
        on_F = alpha_F * layout.n_features
        on_H = on_H.astype(np.float64) * n_samples
        return cls(l1_ratio * on_F, (1 - l1_ratio) * on_F, l1_ratio * on_H, (1 - l1_ratio) * on_H)

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return bool(self.l1_F or self.l2_F or self.l1_H.any() or self.l2_H.any())

    def of_H(self, alpha: NDArray[np.float64], dtype: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """l1 and l2 of each block as they enter H's move, in which α_b cancels; α_b = 0 counts as 1.

        Raises
        ------
        ValueError
            If a weight is so small that its block's penalty over it would overflow.
        """
        shares = np.where(alpha > 0, alpha, 1.0)
        with np.errstate(over="ignore"):
            l1, l2 = self.l1_H / shares, self.l2_H / shares
        largest = max(l1.max(), l2.max())
        if largest > np.finfo(dtype).max / 1e3:  # what is added to it, and twice it, is finite still
            raise ValueError(
                f"The penalty on H (alpha_H, by default alpha_F) over block_weights, of which the smallest is "
                f"{shares.min():.2g}, comes to {largest:.2g}: too large for {np.dtype(dtype)}; make the weight larger, "
                "or 0, or the penalty smaller."
            )
        return l1, l2

    def by_block(self, alpha: NDArray[np.float64], dtype: Any) -> NDArray[np.float64]:
        """l1 and l2 of each block as they enter H's move, and as they are in J inside the loop (n_blocks, 4).

        There the penalties on a block of weight 0 are left out: its H moves as if the weight were 1, and its part of J
        would be the penalties alone, which moves do not lower.
        """
        return np.column_stack([*self.of_H(alpha, dtype), self.l1_H * (alpha > 0), self.l2_H * (alpha > 0)])

    def on_F(self, total: float, squares: float) -> float:
        """What F's add to J, by the sum of its entries and of their squares, each times its sample's weight."""
        return 2 * self.l1_F * total + self.l2_F * squares

    def on_H(self, H: NDArray[Any], layout: BlockLayout) -> float:
        """What H's add to J."""
        total = 0.0
        for l1, l2, H_b in zip(self.l1_H, self.l2_H, layout.split(H.astype(np.float64)).values(), strict=True):
            total += float(2 * l1 * H_b.sum() + l2 * np.sum(H_b**2))
        return total


def alpha_of_blocks(layout: BlockLayout, alpha_H: Any) -> NDArray[np.float64]:
    """``alpha_H`` of each block, 0 where a mapping does not name it.

    Raises
    ------
    ValueError
        If a name is unknown, or a number is negative or not finite.
    """
    if not isinstance(alpha_H, Mapping):
        raise ValueError(f"alpha_H is {alpha_H!r}; give a number, 'same', or a mapping from blocks to numbers.")
    unknown = [name for name in alpha_H if name not in layout.slices]
    if unknown:
        raise ValueError(f"alpha_H names unknown blocks {unknown}; the blocks are {list(layout.names)}.")
    found = real_numbers("alpha_H", [alpha_H.get(name, 0.0) for name in layout.names]).astype(np.float64)
    if not np.all(np.isfinite(found)) or found.min() < 0:
        raise ValueError(f"alpha_H is {dict(alpha_H)}; penalties are finite and not negative.")
    return found
