"""Whether each measure goes with test accuracy, over all networks of all studies."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from cnn_probe.studies.findings.measured import Found, distinct, measures_of, seed_of
from cnn_probe.studies.record import NetworkRecord

MOST_SEEDS = 16  # whose signs are all gone through; of more, as many are drawn
DRAWS = 2**MOST_SEEDS


def quality(found: Found, controls: Iterable[str], scale_free: Mapping[str, bool]) -> list[dict[str, Any]]:
    """Hold every measure against test accuracy.

    Parameters
    ----------
    found : mapping
        Of each study, the records by condition.
    controls : iterable of str
        Which of the studies the paper lacks.
    scale_free : mapping of str to bool
        Of each measure, whether it was found not to move with scale; empty if that was not measured.

    Returns
    -------
    list of dict
        A row a measure: ``measure``, ``scale_free`` (None if not measured), and ``all`` and ``paper``: what
        `correlation` says over all networks, and over those of the paper's studies, or None where there are none.
    """
    lacking = set(controls)
    groups = {
        "all": distinct(found.values()),
        "paper": distinct(records for name, records in found.items() if name not in lacking),
    }
    names = dict.fromkeys(name for run in groups["all"] for name in measures_of(run))
    return [
        {
            "measure": name,
            "scale_free": scale_free.get(name),
            **{group: correlation(name, runs) for group, runs in groups.items()},
        }
        for name in names
    ]


def correlation(measure: str, runs: Sequence[NetworkRecord]) -> dict[str, Any] | None:
    """Rank correlation (Spearman) of a measure with test accuracy, within each seed and over the seeds.

    Networks of one seed have a start in common, so that the seeds, not the networks, are what is independent.

    Returns
    -------
    dict or None
        ``correlation``: the mean over the seeds; ``low`` and ``high``: their range; ``seeds`` and ``networks``: how
        many; ``chance``: how often as large a mean comes out if each seed's correlation has a sign by chance, all signs
        gone through (so never below 2 / 2^seeds). None if in no seed both vary.
    """
    by_seed: dict[int, list[NetworkRecord]] = {}
    for run in runs:
        by_seed.setdefault(seed_of(run), []).append(run)
    values, n_networks = [], 0
    for some in by_seed.values():
        found = spearman([measures_of(run)[measure] for run in some], [run.accuracy for run in some])
        if found is not None:
            values.append(found)
            n_networks += len(some)
    if not values:
        return None
    return {
        "correlation": float(np.mean(values)),
        "low": min(values),
        "high": max(values),
        "seeds": len(values),
        "networks": n_networks,
        "chance": by_signs(values),
    }


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation; None where one of them does not vary."""
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def by_signs(values: Sequence[float]) -> float:
    """Return how often the mean is as far from 0 as it is, if each value had either sign alike.

    Examples
    --------
    >>> by_signs([0.5, 0.6, 0.7]), by_signs([0.5, -0.5])
    (0.25, 1.0)
    """
    if len(values) <= MOST_SEEDS:
        signs = np.array(list(itertools.product((1, -1), repeat=len(values))))
    else:
        signs = np.random.default_rng(0).choice((1, -1), size=(DRAWS, len(values)))
        signs[0] = 1  # what was found is one of them
    means = np.abs(signs @ np.asarray(values))
    return float(np.mean(means >= abs(sum(values)) - 1e-12))
