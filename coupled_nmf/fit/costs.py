"""What iterations cost, by shapes alone: where a start on a stand-in pays, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass

OVERSAMPLING = 8
PART_ROWS = 2500
MOVE = 3  # times a product's time for a multiplication of a move, which goes through one component after the other
# Iterations, about: from a start at random to where one on a stand-in ends, on X or on it; on all of its rows after a
# part of them; and on X, to make up for what it lacks.
FROM_RANDOM, AFTER_PART, AFTER_STAND_IN = 40, 20, 5
MOST_FOR_FEW = 3  # times the iterations asked for, that a start may cost


@dataclass(frozen=True)
class Costs:
    """What iterations cost, in multiplications of a product: clocks would have seeded fits differ.

    Parameters
    ----------
    shape : tuple of int
        Samples and features of X.
    n_entries : int
        Entries of X that are read.
    k : int
        The rank.
    sweeps, sweeps_on_it : int
        Inner sweeps on X, and on a stand-in.
    """

    shape: tuple[int, int]
    n_entries: int
    k: int
    sweeps: int
    sweeps_on_it: int

    @property
    def on_x(self) -> float:
        """An iteration on X."""
        return 2.0 * self.n_entries * self.k + MOVE * self.sweeps * sum(self.shape) * self.k**2

    def on_stand_in(self, n_samples: int) -> float:
        """An iteration on so many rows of a stand-in."""
        size = n_samples + self.shape[1]
        return 2.0 * size * stand_in_width(self.k) * self.k + MOVE * self.sweeps_on_it * size * self.k**2

    @property
    def of_finding(self) -> float:
        """Passes over X, their orthonormalization, and the projection."""
        width = stand_in_width(self.k)
        passes = 4 / share_of_rows(self.shape[0], width) + 1
        return passes * self.n_entries * width + 4.0 * self.shape[1] * width**2

    @property
    def all_of_stand_in_pays(self) -> bool:
        """Whether iterations on all of its rows are cheaper than those on X, which know more."""
        return self.on_stand_in(self.shape[0]) < self.on_x

    @property
    def of_start(self) -> float:
        """To find a stand-in, and to iterate on it."""
        part = rows_of_part(*self.shape)
        cost = self.of_finding + FROM_RANDOM * self.on_stand_in(part)
        if part < self.shape[0] and self.all_of_stand_in_pays:
            cost += AFTER_PART * self.on_stand_in(self.shape[0])
        return cost

    def stand_in_pays(self, max_iter: int) -> bool:
        """Whether a start on a stand-in costs less than the iterations that it saves, and than few times ``max_iter``.

        Who asks for few iterations asks for little work: a start is not to cost many times as much as they do.
        """
        return self.of_start < min(FROM_RANDOM - AFTER_STAND_IN, MOST_FOR_FEW * max_iter) * self.on_x


def stand_in_width(k: int) -> int:
    """Width of the stand-in for ranks up to k."""
    return k + k // 2 + OVERSAMPLING


def share_of_rows(n_samples: int, width: int) -> int:
    """One row of how many the passes look at that find a stand-in: as good, where there are many."""
    return min(max(n_samples // (8 * width), 1), 8)


def rows_of_part(n_samples: int, n_features: int) -> int:
    """Rows of a part of a stand-in on which an iteration costs at most half of one on all; or all."""
    return PART_ROWS if n_samples >= 2 * PART_ROWS + n_features else n_samples
