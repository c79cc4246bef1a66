"""What the parts promise each other: a backend, what the loop alternates on, who decides, what a solve returns."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.data.tiled_matrix import TiledMatrix
from coupled_nmf.problem.control import Terms, Verdict
from coupled_nmf.problem.draws import RowSample
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem, Scanned
from coupled_nmf.problem.solvers import Rule
from coupled_nmf.system.folders import Folder

Factor = Any  # an array of as many rows as X, or of as many columns, where and as its backend holds it
Pair = tuple[Factor, Factor]  # one that moves, and the one before, see `Alternated.move_f`
Sums = tuple[NDArray[Any], ...]  # over the samples; none where they stay on a device


@dataclass(frozen=True)
class Solution:
    """F for a given H, and what is left of each block: without α and penalties, times the samples' weights.

    Attributes
    ----------
    F : Factor of shape (n_samples, k)
        Where its backend holds it.
    losses : ndarray of shape (n_blocks,)
        What α multiplies in J: of the Frobenius loss the squares of the residual, else twice the divergence.
    squares : ndarray of shape (n_blocks,)
        Squares of the residual, whatever the loss.
    baseline : ndarray of shape (n_blocks,)
        The loss where nothing is known: that of zeros, or of the block's mean where that of zeros would be infinite.
    """

    F: Factor
    losses: NDArray[np.float64]
    squares: NDArray[np.float64]
    baseline: NDArray[np.float64]


class Judge(Protocol):
    """Who decides whether a step is kept: the host at once, or a device by the same rules, which the host hears later.

    Attributes
    ----------
    betas : object
        How far F was extrapolated last, and how far what is found next will be, as the moves take it.
    patience : int
        Iterations from one look to the next.
    """

    betas: Any
    patience: int

    def decide(self, value: Any) -> bool | None:
        """Whether what has J ``value`` is kept; None if the host does not know yet."""

    def look(self) -> Verdict:
        """Wait for what was decided so far. Raises ValueError if J was not finite."""

    def packed(self) -> dict[str, NDArray[np.float64]]:
        """All that later decisions go by, in memory; ``history`` among it."""

    def unpack(self, packed: dict[str, NDArray[np.float64]]) -> None:
        """Go on from what a judge of the same terms had packed."""


class Alternated(Protocol):
    """What the loop alternates on: X itself, or something that stands in for it, where its backend holds it.

    A point is what F's move needs of an H; only this looks into it, as into sums and into the value of J, which its
    backend's judge reads.

    Attributes
    ----------
    tiles : TiledMatrix
        What is swept over.
    weighted_squares : float
        Σ_b α_b ‖X_b‖², with Kullback–Leibler 2 Σ_b α_b ΣX_b, times the samples' weights: the scale of J, and of its
        rounding.
    """

    tiles: TiledMatrix
    weighted_squares: float

    @property
    def backend(self) -> Backend:
        """Where it is."""

    def hold(self, F: Factor | None, H: Factor) -> tuple[Factor, Factor]:
        """F and H where and as the moves take them; what is there already is overwritten.

        F is of zeros if it is None, and made if it is yet to be drawn (`DrawnF`).
        """

    def point_of(self, H: Factor) -> Any:
        """The point of H itself."""

    def move_f(self, rule: Rule, point: Any, F: Factor, other: Factor, betas: Any) -> Sums:
        """Move F; return what H's move needs.

        Plain, ``other`` is F, which moves in place. Extrapolated, it is the F before, and gets what is found.

        A sample's row moves without the terms of the blocks that it lacks. An entry that is missing alone is filled by
        F H, of the F that the move begins at and the H of the point, and after the move once more, by the F further on,
        for the sums: J is then that of X so filled. With Kullback–Leibler its quotient is 1, which is to fill it before
        each inner sweep, and it adds nothing to J.
        """

    def move_h(self, rule: Rule, sums: Sums, H: Factor, other: Factor, betas: Any) -> tuple[Any, Any]:
        """Move H; return J at what is written to ``other``, given the F of the sums, and the point further on.

        Under Kullback–Leibler J is that at the point from which H moves, which is no less.
        """

    def move_both(self, rules: tuple[Rule, Rule], point: Any, F: Pair, H: Pair, betas: Any) -> tuple[Any, Any]:
        """An iteration: `move_f`, and `move_h` by its sums, each factor by its rule; `InTurn` has it."""


class InTurn:
    """An `Alternated` that moves one factor after the other."""

    def move_both(
        self: Alternated, rules: tuple[Rule, Rule], point: Any, F: Pair, H: Pair, betas: Any
    ) -> tuple[Any, Any]:
        """Move F, then H."""
        # No name here holds the sums, or those of two iterations would stand side by side.
        return self.move_h(rules[1], self.move_f(rules[0], point, *F, betas), *H, betas)


class Objective(Alternated, Protocol):
    """A loss on X, with penalties: besides the loop's moves, F for a given H, and sums that outlive their X."""

    penalties: Penalties

    def packed(self, point: Any) -> tuple[NDArray[Any], ...]:
        """A point as arrays in memory."""

    def unpacked(self, arrays: tuple[NDArray[Any], ...]) -> Any:
        """The point of which these are the arrays, for the factors that were held last."""

    def solve(self, H: NDArray[Any]) -> Solution:
        """F for the given H from a cold start, and what is left."""

    def sums_of(self, F: Factor, H: NDArray[Any]) -> Sums:
        """What H's move needs of an F that stays, in memory: it can be added up over batches.

        Of the shapes that ``LOSSES[loss].shapes_of_sums(k, layout)`` says, which models are saved and checked by.
        """

    def learn(self, rule: Rule, sums: Sums, H: NDArray[Any]) -> NDArray[Any]:
        """H, moved once by sums of any data, in memory."""


class Backend(Protocol):
    """Where X is looked at and fitted; open while it is a context. The X that it is given is the one it was opened for.

    Arrays of as many rows as X that a backend makes are its own, F and Y: others ask it for what they need of them.
    Those that come from outside, and those of as many columns as X, are in memory; it copies them to where it works.

    Whatever loops over the tiles of X in the main thread calls ``INTERRUPTS.check()`` between them, so that Ctrl-C is
    heard there: a pass may end between any two tiles, and the next one begins as if it had not been.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def memory(self) -> float:
        """Bytes that there are for what has a row for each sample."""

    def weights(self, sample_weight: Any, n_samples: int) -> NDArray[np.float64]:
        """What each sample counts for, as `scan` takes it; empty for 1 each. Raises ValueError for what cannot be."""

    def scan(self, X: TiledMatrix, weights: NDArray[np.float64]) -> Scanned:
        """Look at X once. Raises ValueError for an entry that cannot be."""

    def judge(self, terms: Terms, max_iter: int) -> Judge:
        """Who decides for a loop of so many iterations at most."""

    def objective(self, loss: str, problem: Problem, penalties: Penalties) -> Objective:
        """That loss on X."""

    def stand_in_objective(self, Y: Factor, Bt: NDArray[Any], weighted_squares: float) -> Alternated:
        """What the loop alternates on in the place of X: Y B, of so many squares.

        Y (n_samples, l) is this backend's own, Bt (n_features, l) has orthonormal columns. The loop's H is turned here:
        ``hold``, ``point_of`` and the moves take and give it as (n_features, k).
        """

    def power_pass(self, X: TiledMatrix, basis: NDArray[Any], sample: RowSample) -> NDArray[np.float64]:
        """``basis XᵀX`` over a sample of the rows, for a basis (l, n_features)."""

    def project(self, X: TiledMatrix, basis: NDArray[Any]) -> Factor:
        """``X basisᵀ``."""

    def component_shares(
        self, X: TiledMatrix, F: Factor, H: NDArray[Any], weights: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        """How much of each block's squares every component explains, by block (k,), as `CoupledNMF` defines it.

        F (n_samples, k) is this backend's own, as `Solution` has it, H (k, n_features) in memory, and weights are of
        shape (n_samples,), or (0,) for 1 each. One pass over X, in float64.
        """

    def digest(self, X: TiledMatrix, weights: NDArray[np.float64]) -> str:
        """A digest of X and the weights, and of how they are stored, on which the bits of a fit depend; one pass."""

    def reach(self, folder: Folder, name: str) -> None:
        """Raise ValueError if who works on X does not find a file of that name, which is there, in the folder."""

    def keep(self, V: Factor, folder: Folder, stem: str) -> dict[str, str]:
        """Write V to files whose names begin so; return their digests by their names.

        What V is made of need not be kept any more: it can be made of the files.
        """

    def take(self, folder: Folder, files: dict[str, str], shape: tuple[int, int]) -> Factor:
        """A V that was kept; raises ValueError if it is not as it was."""

    def bring(self, V: Factor) -> tuple[Backend, Factor]:
        """V, of few rows, and who works on it where a pass costs least: this backend, or one of this process."""

    def place(self, F: Factor, k: int) -> Factor:
        """An F (n_samples, k) that what was brought led to, as this backend holds it."""

    def room_for(self, V: Factor) -> Factor:
        """An array like V."""

    def living(self, V: Factor) -> tuple[int, float]:
        """How many rows of V are not zero, and the squares of them all."""

    def take_living(self, V: Factor, ranks: NDArray[np.int64] | None) -> Factor:
        """Copy some of the rows that are not zero, by their places among those alone; None: all of them."""

    def scale(self, V: Factor, by: float | NDArray[np.float64]) -> None:
        """Multiply V, or each of its columns, by a number, in place."""

    def weigh(self, V: Factor, weights: NDArray[np.float64], power: float) -> None:
        """Multiply each row of V by a power of its weight, in place; by 0 where the weight is 0."""

    def gram(self, V: Factor) -> NDArray[np.float64]:
        """``VᵀV``."""

    def signed_squares(self, V: Factor, W: NDArray[Any]) -> NDArray[np.float64]:
        """Squares of the entries of each column of ``V W`` that are above zero, and of those below (2, n_columns)."""

    def rectified(self, V: Factor, W: NDArray[Any], fill: float) -> Factor:
        """``V W``, with ``fill`` in the place of what is not above zero."""

    def lift(self, V: Factor, least: NDArray[np.float64]) -> None:
        """Raise what is below ``least`` (k,), a number for each column, to it, in place."""

    def column_sums(self, V: Factor, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of each column, of rows with these weights (none: 1 each)."""

    def column_squares(self, V: Factor, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squares of each column, of rows with these weights (none: 1 each)."""

    def host(self, V: Factor) -> NDArray[Any]:
        """V in memory."""

    def give(self, V: Factor) -> Factor:
        """V, from here or from memory, where the user wants it: where X is."""

    def show(self, V: Factor) -> Factor:
        """V for a callback, which cannot change it."""
