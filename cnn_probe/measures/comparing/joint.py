"""Two networks in one factorization, with one F: what each factor is worth in either, without matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_probe.activations.handover import to_host
from cnn_probe.measures.comparing.matching import assign, cosines_of
from cnn_probe.measures.spectrum import rows_of
from cnn_probe.measures.table import Table
from coupled_nmf import Blocks, CoupledNMF

SIDES = ("a: ", "b: ")
ONE_SIDED = 0.5  # a share three times as large in one network as in the other
Fit = tuple[CoupledNMF, NDArray[Any]]


@dataclass(frozen=True)
class JointUse:
    """What each factor of a joint fit is worth in either network.

    Attributes
    ----------
    shares : dict of str to ndarray of shape (k,)
        By block: ‖F_j H_bj‖² / ‖X_b‖². They need not add up to 1, for factors overlap.
    sides : ndarray of shape (2, k)
        Mean share of the blocks of either network.
    lopsided : ndarray of shape (1 + n_starts, k)
        (a − b) / (a + b) of these, from -1 (b alone uses it) to 1 (a alone), 0 for a factor of zeros: of the fit, and
        of the factors of other starts that are matched with its own.
    similarity : ndarray of shape (n_starts, k)
        Of these.
    """

    shares: dict[str, NDArray[np.float64]]
    sides: NDArray[np.float64]
    lopsided: NDArray[np.float64]
    similarity: NDArray[np.float64]

    @property
    def one_sided(self) -> tuple[str, ...]:
        """Which network alone uses each factor: "a" or "b", if its share is three times as large there in every start.

        "" otherwise.
        """
        ends = self.lopsided.min(axis=0), self.lopsided.max(axis=0)
        return tuple(
            "a" if least >= ONE_SIDED else "b" if most <= -ONE_SIDED else "" for least, most in zip(*ends, strict=True)
        )

    def table(self) -> Table:
        """A row a factor, with its share of each block."""
        named: dict[str, Any] = {"factor": range(self.sides.shape[1]), "share of a": self.sides[0]}
        named |= {"share of b": self.sides[1], "lopsided": self.lopsided[0]}
        named |= {"lopsided least": self.lopsided.min(axis=0), "lopsided most": self.lopsided.max(axis=0)}
        named["least similarity of starts"] = (
            self.similarity.min(axis=0) if len(self.similarity) else [None] * self.sides.shape[1]
        )
        return Table(named | {"used by one": self.one_sided} | {f"share of {n}": s for n, s in self.shares.items()})


def joint_blocks(a: Blocks, b: Blocks, *, inputs: Sequence[str] | None = None) -> Blocks:
    """The blocks of two networks on the same inputs, for one factorization with one F.

    Fit it with ``block_weights="balanced"``, or the network with the larger activations rules.

    Parameters
    ----------
    a, b : Blocks
        What of each is factored alone.
    inputs : sequence of str, default=None
        Blocks that are made of the inputs, and stand in it once; None for those that begin with "pixels" or "inputs".

    Returns
    -------
    `~coupled_nmf.Blocks`
        The inputs' blocks by their names, then ``"a: "`` and the name of each layer of the first, and ``"b: "`` of the
        second.

    Raises
    ------
    ValueError
        If the numbers of samples differ, a block of the inputs is not in both or differs, or nothing else is left of
        one.

    Examples
    --------
    >>> pixels = np.ones((5, 4))
    >>> a, b = (Blocks({"pixels": pixels, "relu": np.full((5, width), 2.0)}) for width in (2, 3))
    >>> joint_blocks(a, b).layout.slices
    {'pixels': slice(0, 4, None), 'a: relu': slice(4, 6, None), 'b: relu': slice(6, 9, None)}
    """
    if len(a) != len(b):
        raise ValueError(f"a has {len(a)} samples and b has {len(b)}; record both networks on the same inputs")
    if inputs is None:
        inputs = [name for name in dict.fromkeys((*a.names, *b.names)) if name.startswith(("pixels", "inputs"))]
    for name in inputs:
        if (name in a.names) != (name in b.names) or (name in a.names and not _same(a, b, name)):
            raise ValueError(
                f"the inputs' block {name!r} is not the same in a and b; record both networks on the same inputs, or "
                "say in inputs= which blocks are made of them"
            )
    found = {name: a[name] for name in inputs if name in a.names}
    for prefix, X in zip(SIDES, (a, b), strict=True):
        layers = {f"{prefix}{name}": X[name] for name in X.names if name not in inputs}
        if not layers:
            raise ValueError(f"{prefix[0]} has no block but those of the inputs, {list(inputs)}; record layers, too")
        found |= layers
    return Blocks(found)


def _same(a: Blocks, b: Blocks, name: str) -> bool:
    if a[name].shape != b[name].shape:
        return False
    both = zip(rows_of(a, name).chunks(), rows_of(b, name).chunks(), strict=True)
    return all(np.array_equal(first, second) for (_, first), (_, second) in both)


def joint_use(X: Blocks, model: CoupledNMF, F: NDArray[Any], *, starts: Sequence[Fit] = ()) -> JointUse:
    """Read a factorization of `joint_blocks`: per factor, its share of each network's blocks.

    A factor that one network alone uses is lopsided; but so is, to a lesser degree, much of what two training seeds
    make of the same images (up to 0.4 on the digits), and a rank above what the layers hold gives factors that are
    wholly of one side. Neat factors come out of untrained networks too.

    Parameters
    ----------
    X : Blocks
        Of `joint_blocks`.
    model : CoupledNMF
        Fitted to X.
    F : ndarray of shape (n_samples, k)
        Of that fit.
    starts : sequence of (CoupledNMF, F)
        The same from other random states, as ``rank_path(X, [k], n_init=5).fits`` has them.

    Returns
    -------
    `.JointUse`

    Raises
    ------
    ValueError
        If X has no blocks of two networks, or is not what a model was fitted to.

    Examples
    --------
    >>> from coupled_nmf import make_coupled_blocks
    >>> made, _, _ = make_coupled_blocks(60, {"pixels": 20, "relu": 12}, 3, random_state=0)
    >>> other = Blocks({"pixels": made["pixels"], "relu": made["relu"][:, ::-1]})  # the same units in another order
    >>> X = joint_blocks(made, other)
    >>> model = CoupledNMF(3, block_weights="balanced", random_state=0)
    >>> joint_use(X, model, model.fit_transform(X)).one_sided
    ('', '', '')
    """
    if not all(any(name.startswith(prefix) for name in X.names) for prefix in SIDES):
        raise ValueError(f"X has the blocks {X.names}; joint_blocks puts two networks' together")
    for one, factors in ((model, F), *starts):
        if X.names != one.layout_.names or len(factors) != len(X):
            raise ValueError(
                f"a model with blocks {one.layout_.names} and {len(factors)} samples was not fitted to {X}"
            )
    energies = {name: rows_of(X, name).energy() for name in X.names}
    shares = _shares(model, F, energies)
    lopsided, similarity = [_lopsided(_sides(shares))], []
    for other, factors in starts:
        cosines = cosines_of(F, factors)
        assigned = assign(cosines)
        lopsided.append(_lopsided(_sides(_shares(other, factors, energies)))[assigned])
        similarity.append(cosines[np.arange(len(assigned)), assigned])
    return JointUse(shares, _sides(shares), np.array(lopsided), np.array(similarity).reshape(len(starts), F.shape[1]))


def _shares(model: CoupledNMF, F: NDArray[Any], energies: dict[str, float]) -> dict[str, NDArray[np.float64]]:
    weights = np.sum(np.asarray(to_host(F), np.float64) ** 2, axis=0)
    squares = {
        name: np.sum(np.asarray(to_host(part), np.float64) ** 2, axis=1)
        for name, part in model.block_components_.items()
    }
    return {name: weights * squares[name] / (energy if energy > 0 else 1.0) for name, energy in energies.items()}


def _sides(shares: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.array(
        [np.mean([part for name, part in shares.items() if name.startswith(prefix)], axis=0) for prefix in SIDES]
    )


def _lopsided(sides: NDArray[np.float64]) -> NDArray[np.float64]:
    total = sides.sum(axis=0)
    return np.divide(sides[0] - sides[1], total, out=np.zeros(len(total)), where=total > 0)
