"""Coupled data with known factors, for tests and examples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from coupled_nmf.data.blocks import Blocks


def make_coupled_blocks(
    n_samples: int = 200,
    block_sizes: Mapping[str, int] | None = None,
    n_components: int = 4,
    *,
    noise: float = 0.0,
    sparsity: float = 0.5,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[Blocks, NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Blocks that share one planted non-negative factor.

    Parameters
    ----------
    n_samples : int, default=200
        Rows of every block.
    block_sizes : mapping of str to int, default=None
        Columns of each block; None means ``{"a": 30, "b": 20}``.
    n_components : int, default=4
        Planted rank.
    noise : float, default=0.0
        Standard deviation of the noise added to a block, as a part of the block's root mean square. What falls
        below zero is set to zero.
    sparsity : float, default=0.5
        Part of the entries of the planted factors that are zero.
    random_state : int, RandomState or None, default=None
        Seed.

    Returns
    -------
    X : Blocks
    F : ndarray of shape (n_samples, n_components)
        The planted shared factor.
    H : dict of str to ndarray of shape (n_components, n_features_b)
        The planted components of each block.

    Examples
    --------
    >>> X, F, H = make_coupled_blocks(50, {"a": 6, "b": 5}, 3, random_state=0)
    >>> X.shape, F.shape, H["b"].shape
    ((50, 11), (50, 3), (3, 5))
    """
    if n_components < 1:
        raise ValueError(f"n_components is {n_components}; plant 1 or more.")
    rng = check_random_state(random_state)
    sizes = {"a": 30, "b": 20} if block_sizes is None else block_sizes

    def planted(shape: tuple[int, int]) -> NDArray[np.float64]:
        return rng.gamma(2.0, size=shape) * (rng.uniform(size=shape) >= sparsity)

    F = planted((n_samples, n_components))
    H = {name: planted((n_components, size)) for name, size in sizes.items()}
    blocks = {}
    for name, components in H.items():
        clean = F @ components
        scale = noise * np.sqrt(np.mean(clean**2))
        blocks[name] = np.maximum(clean + scale * rng.standard_normal(clean.shape), 0.0)
    return Blocks(blocks), F, H
