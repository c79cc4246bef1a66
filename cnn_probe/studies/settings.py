"""How studies are run."""

from __future__ import annotations

from dataclasses import dataclass

from cnn_probe.system.ranges import are_whole, is_whole

_LARGEST_SEED = 2**32 - 1  # scikit-learn's, for the factorization


@dataclass(frozen=True)
class Settings:
    """How studies are run.

    Attributes
    ----------
    ranks : tuple of int
        Ranks of the factorization; the paper's by default.
    seeds : tuple of int
        One repetition of everything a seed; below 2**32.
    epochs : int
        Passes over the training data.
    solver, init, max_iter
        As in `CoupledNMF`.
    starts : int
        Starts of each factorization. What is reported is that of the first; the others say how far starts differ.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    ranks: tuple[int, ...] = (10, 20, 30, 40, 50)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 1
    solver: str = "hals"
    init: str = "auto"
    max_iter: int = 200
    starts: int = 1

    def __post_init__(self) -> None:
        checks = {
            "ranks": (are_whole(self.ranks, 1), "a tuple of different whole numbers, each 1 or more"),
            "seeds": (
                are_whole(self.seeds, 0, _LARGEST_SEED),
                f"a tuple of different whole numbers from 0 to {_LARGEST_SEED}",
            ),
            "epochs": (is_whole(self.epochs, 1), "a whole number of at least 1"),
            "solver": (isinstance(self.solver, str), "a name, as in CoupledNMF"),
            "init": (isinstance(self.init, str), "a name, as in CoupledNMF"),
            "max_iter": (is_whole(self.max_iter, 1), "a whole number of at least 1"),
            "starts": (is_whole(self.starts, 1), "a whole number of at least 1"),
        }
        for name, (holds, wanted) in checks.items():
            if not holds:
                raise ValueError(f"{name} must be {wanted}; got {getattr(self, name)!r}")
