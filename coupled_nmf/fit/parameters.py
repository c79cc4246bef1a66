"""What of the parameters a fit goes by, and which of them do not go together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from coupled_nmf.fit.costs import Costs, stand_in_width
from coupled_nmf.fit.stand_in import sweeps_on_stand_in
from coupled_nmf.problem.penalties import Penalties
from coupled_nmf.problem.problem import Problem
from coupled_nmf.problem.solvers import SOLVERS, Rule
from coupled_nmf.system.notices import warn_caller

LARGE = 2**20  # entries of X from which the compressed start is the default
FROM_STAND_IN = ("compressed", "nndsvd", "nndsvda")
INITS = {"auto", "custom", "hals", "random", "uniform", *FROM_STAND_IN}
MOST_BY_HALS = 40  # iterations that find a start: of most data more end no lower, and each costs half of one or less


@dataclass(frozen=True)
class Parameters:
    """The parameters that decide how the loop runs and where it starts, named as the estimator's; ``k`` is the rank.

    ``fixed`` are the components that stay as they are, the first ones; None: there are none, or H does not move.
    """

    k: int
    init: str
    solver: str
    inner_sweeps: int | None
    extrapolate: bool
    loss: str
    alpha_F: float
    alpha_H: Any
    l1_ratio: float
    max_iter: int
    fixed: NDArray[Any] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.n_fixed > self.k:
            raise ValueError(
                f"fixed_components has {self.n_fixed} rows, but n_components is {self.k}; all of them are components."
            )

    @property
    def n_fixed(self) -> int:
        """How many components stay as they are."""
        return 0 if self.fixed is None else len(self.fixed)

    def with_fixed(self, H: NDArray[Any]) -> NDArray[Any]:
        """H, or a copy whose first rows are those that are fixed."""
        if self.fixed is None or len(self.fixed) == 0:
            return H
        found = H.copy()
        found[: len(self.fixed)] = self.fixed
        return found

    def penalties(self, problem: Problem, n_samples: float | None = None) -> Penalties:
        """The penalties, scaled for this X, or for as many samples as are given."""
        n_samples = problem.n_samples if n_samples is None else n_samples
        return Penalties.scaled(problem.X.layout, n_samples, self.alpha_F, self.alpha_H, self.l1_ratio)

    def balance(self, problem: Problem) -> float:
        """What H is to be scaled by, and F divided by, for the penalties on both to weigh about the same; 1 if on one.

        F and H of the same size, times s and over s, are penalized least where s is this: a start far from it may be
        driven to zero by the larger penalty before the other factor has grown.
        """
        penalties = self.penalties(problem)
        on_H = float((penalties.l1_H + penalties.l2_H).mean()) * problem.X.shape[1]
        on_F = (penalties.l1_F + penalties.l2_F) * problem.n_samples
        return float((on_F / on_H) ** (0.25 * (1 + self.l1_ratio))) if on_F > 0 and on_H > 0 else 1.0

    @property
    def rule(self) -> Rule:
        """The solver's rule."""
        return SOLVERS[self.solver].rule(self.inner_sweeps or SOLVERS[self.solver].default_sweeps)

    @property
    def rule_of_H(self) -> Rule:
        """The rule by which H moves, but for what is fixed."""
        return self.rule._replace(fixed=self.n_fixed)

    @property
    def extrapolated(self) -> bool:
        """Whether both factors are extrapolated."""
        return self.extrapolate and self.loss in SOLVERS[self.solver].extrapolates

    @property
    def from_h(self) -> bool:
        """Whether the solver needs H alone."""
        return SOLVERS[self.solver].starts_from_h

    @property
    def by_hals(self) -> Parameters:
        """Those of HALS, whose end is a start for another loss: the same whatever ``max_iter``, as checkpoints need."""
        own = replace(self, init="auto", max_iter=MOST_BY_HALS, alpha_F=0, alpha_H=0)
        return replace(own, solver="hals", inner_sweeps=None, loss="frobenius")

    def costs(self, problem: Problem) -> Costs:
        """What iterations on X cost, and on a stand-in for it."""
        X, rule = problem.X, self.rule
        return Costs(X.shape, X.n_entries, self.k, rule.inner_sweeps, sweeps_on_stand_in(rule))

    def needs_stand_in(self, problem: Problem) -> bool:
        """Whether the start is found on a stand-in for X."""
        init = self.resolve(problem)
        return self.by_hals.needs_stand_in(problem) if init == "hals" else init in FROM_STAND_IN

    def resolve(self, problem: Problem) -> str:
        """``init``, with what 'auto' means for this X; X of zeros has no stand-in, and nothing for HALS to find."""
        if self.init in ("auto", "hals", *FROM_STAND_IN) and problem.weighted_squares == 0:
            return "random"
        if self.init != "auto":
            return self.init
        if self.loss not in SOLVERS["hals"].losses:
            return "random" if self.penalties(problem).any else "hals"
        width, costs = stand_in_width(self.k), self.costs(problem)
        large = width < min(problem.X.shape) and problem.X.n_entries >= LARGE
        full = problem.X.n_entries >= width * problem.X.shape[0]  # or the stand-in is no smaller than X
        serves = self.from_h and problem.gaps is None and not self.penalties(problem).any
        serves = serves and large and full and costs.stand_in_pays(self.max_iter)
        serves = serves and not self.n_fixed  # the stand-in's components are all free
        return "compressed" if serves else "random"

    def refuse(self, problem: Problem, F: Any, H: Any, n_init: int, memory: float) -> None:
        """Raise ValueError for parameters that do not go together, or factors that ``memory`` bytes do not hold."""
        if self.loss not in SOLVERS[self.solver].losses:
            able = [name for name, solver in SOLVERS.items() if self.loss in solver.losses]
            raise ValueError(f"beta_loss={self.loss!r} needs solver in {able}, got {self.solver!r}.")
        if self.init in FROM_STAND_IN and problem.gaps is not None:
            raise ValueError(f"init={self.init!r} needs X without missing entries; use init='random'.")
        if self.init == "hals":
            self._refuse_hals(problem)
        self._refuse_start(F, H, n_init)
        self._refuse_rank(problem, memory)

    def warn(self, problem: Problem) -> None:
        """Warn of parameters that go together, and yet hardly do what is wished."""
        if self.init == "nndsvd" and not self.from_h:
            warn_caller(f"init='nndsvd' has zeros, which solver={self.solver!r} never moves; use 'nndsvda'.")
        self._warn_of_one_sided_penalty(problem)

    def _refuse_hals(self, problem: Problem) -> None:
        if self.loss in SOLVERS["hals"].losses:
            raise ValueError(f"init='hals' is no start for beta_loss={self.loss!r}, which solver='hals' lowers itself.")
        if self.penalties(problem).any:
            raise ValueError("init='hals' knows no penalties, and alpha_F or alpha_H is above 0; use init='random'.")

    def _refuse_start(self, F: Any, H: Any, n_init: int) -> None:
        if self.init == "custom":
            if H is None or (F is None and not self.from_h):
                needed = "H" if self.from_h else "F and H"
                raise ValueError(
                    f"init='custom' with solver={self.solver!r} needs {needed}: pass them to fit_transform."
                )
            if n_init > 1:
                raise ValueError(f"n_init={n_init} with init='custom' would repeat one fit; leave it at 1.")
        elif F is not None or H is not None:
            raise ValueError(f"F and H are given but init={self.init!r}; a start of your own needs init='custom'.")
        if self.init == "compressed" and not self.from_h:
            raise ValueError(f"init='compressed' needs solver='hals', got {self.solver!r}: the stand-in is signed.")
        if self.init == "compressed" and self.n_fixed:
            raise ValueError(
                "init='compressed' cannot hold fixed_components: its stand-in moves them all; use init='random'."
            )

    def _refuse_rank(self, problem: Problem, memory: float) -> None:
        """Raise ValueError for a rank that no start of this kind has, or that memory cannot hold, before any work."""
        most = min(problem.X.shape)
        if self.init in ("nndsvd", "nndsvda") and self.k > most:
            raise ValueError(
                f"init={self.init!r} needs n_components <= min(n_samples, n_features) = {most}, got {self.k}; use "
                "init='random'."
            )
        # Two of F and H, and H_b H_bᵀ in float64: what every fit holds. Where memory is promised before it is there,
        # NumPy would not refuse it, and the machine would end the process when it fills up.
        k = min(self.k, 2**62)  # as a float it is a number
        needed = 2 * k * sum(problem.X.shape) * problem.X.dtype.itemsize + 8 * k**2 * len(problem.alpha)
        if needed > memory:
            raise ValueError(
                f"n_components={self.k} needs {needed / 2**30:.3g} GiB for the factors and their products, and there "
                f"are {memory / 2**30:.3g} GiB; lower it: {most} components fit X exactly."
            )

    def _warn_of_one_sided_penalty(self, problem: Problem) -> None:
        penalties = self.penalties(problem)
        on_F, on_H = bool(penalties.l1_F or penalties.l2_F), bool(penalties.l1_H.any() or penalties.l2_H.any())
        if on_F != on_H and self.n_fixed < self.k:  # or F cannot be scaled against H
            one, other = ("F", "H") if on_F else ("H", "F")
            warn_caller(
                f"alpha_{one} is above 0 and alpha_{other} is 0: F and H can be scaled against each other, so {one} "
                f"shrinks and {other} grows until the penalty is nothing; give both, or alpha_H='same'."
            )
