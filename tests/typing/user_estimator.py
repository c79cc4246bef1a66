"""What a user writes with `coupled_nmf`: mypy --strict reads it, and it runs."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from coupled_nmf import (
    BiCrossValidation,
    Blocks,
    ComponentsDisplay,
    ConvergenceDisplay,
    CoupledNMF,
    Holdout,
    IterationInfo,
    RankCurveDisplay,
    RankFit,
    RankPath,
    Stability,
    StabilityDisplay,
    __version__,
    atomic_open,
    holdout_entries,
    make_coupled_blocks,
    rank_path,
    stability,
)


class Known(CoupledNMF):
    """Of a class of the user's own, methods return that class."""


def hear(info: IterationInfo) -> bool | None:
    assert_type(info.iteration, int)
    assert_type(info.objective, float)
    return info.seconds > 60


def fit_and_keep(folder: Path) -> None:
    assert_type(__version__, str)
    X, F, H = make_coupled_blocks(60, {"pixels": 12, "conv1": 8}, 3, noise=0.01, random_state=0)
    assert_type(X, Blocks)
    assert_type(F, NDArray[np.float64])
    assert_type(H, dict[str, NDArray[np.float64]])
    model = CoupledNMF(3, alpha_F=0.01, alpha_H={"pixels": 0.1}, callbacks=[hear], max_iter=500, random_state=0)
    assert_type(model.fit(X), CoupledNMF)
    assert_type(model.fit_transform(X), NDArray[Any])
    assert_type(model.transform(X), NDArray[Any])
    assert_type(model.score(X), float)
    assert_type(model.component_shares(X), dict[str, NDArray[np.float64]])
    assert_type(model.components_, NDArray[Any])
    assert_type(model.block_components_["conv1"], NDArray[Any])
    assert_type(model.objective_history_, list[float])
    assert_type(model.n_iter_, int)
    assert_type(model.rmse_, float)
    assert_type(model.block_relative_error_, dict[str, float])
    assert_type(model.layout_.names, tuple[str, ...])
    model.save(folder / "model.npz")
    assert_type(CoupledNMF.load(folder / "model.npz"), CoupledNMF)
    assert_type(Known(3, max_iter=500).partial_fit(X.to_array()), Known)
    assert_type(Known(3).set_components(model.components_), Known)
    with atomic_open(folder / "note.txt") as file:
        file.write(b"kept")


def choose_the_rank() -> None:
    X, _, _ = make_coupled_blocks(60, {"pixels": 12, "conv1": 8}, 3, random_state=0)
    base = CoupledNMF(max_iter=500, random_state=0)
    path, hidden = rank_path(X, [2, 3], estimator=base), holdout_entries(X, [2, 3], random_state=0)
    again = stability(X, [2, 3], random_state=0)
    assert_type(path, RankPath)
    assert_type(path.best[3], RankFit)
    assert_type(path.models[3], CoupledNMF)
    assert_type(hidden, Holdout)
    assert_type(hidden.best_rank, int)
    assert_type(holdout_entries(X, np.arange(2, 4), random_state=0).best_rank, int)
    assert_type(again, Stability)
    assert_type(again.by_rank[0].similarity, float)
    assert_type(path.rows(), list[dict[str, Any]])
    assert_type(BiCrossValidation(n_folds=3), BiCrossValidation)


def draw(path: RankPath, hidden: Holdout, again: Stability, model: CoupledNMF) -> None:
    assert_type(RankCurveDisplay.from_rank_path(path), RankCurveDisplay)
    assert_type(RankCurveDisplay.from_holdout(hidden), RankCurveDisplay)
    assert_type(StabilityDisplay.from_stability(again), StabilityDisplay)
    assert_type(ComponentsDisplay.from_estimator(model), ComponentsDisplay)
    assert_type(ConvergenceDisplay.from_estimator(model), ConvergenceDisplay)


def what_is_wrong() -> None:
    """An ignored error that is none would be one: these are found."""
    CoupledNMF(n_components="three")  # type: ignore[arg-type]
    CoupledNMF(3, solvr="mu")  # type: ignore[call-arg]
    rank_path(np.ones((3, 3)), 2)  # type: ignore[arg-type]
