"""Tables of `cluster`, for docs/benchmarks.md: what was measured, and what follows for clusters that are not here."""

from __future__ import annotations

from math import log2
from typing import Any

import numpy as np
from layout import span

Lines = list[str]
READS, NETWORK = 20e9, 1.25e9  # bytes per second that a worker of 16 threads reads from its memory, and that travel
FEATURES, RANK = 20_000, 10
LARGE = (25_000, 20_000)
MOST_MEASURED = 8  # workers by whose figures others are predicted


def cluster(figures: dict[str, Any]) -> Lines:
    """Times beside those here, what travels, what scheduler and client hold, and a model's predictions."""
    head = "| X | workers | pieces | cluster, ms an iteration | client's and scheduler's CPU, ms | here, ms | ratio |"
    lines = [head, "| --- " * 7 + "|"]
    for workers, by_pieces in figures["overhead"].items():
        for n, one in by_pieces.items():
            lines.append(f"| 6,400 × 100 | {workers} | {n} | {span(one['ms'], 1)} | {span(one['cpu'], 1)} | – | – |")
    large = figures["large"]
    cluster_ms, here_ms, over = (span(large[of], digits) for of, digits in (("cluster", 1), ("here", 1), ("ratio", 2)))
    lines += [f"| 25,000 × 20,000 | 2 | 16 | {cluster_ms} | – | {here_ms} | {over} |", ""]
    lines.append(f"The large X takes {span(large['over'], 1)} ms more than here.")
    return [*lines, "", *travelled(figures["travelled"]), "", *held(figures), "", *predicted(figures)]


def travelled(figures: dict[str, Any]) -> Lines:
    """Bytes beside the formula's."""
    lines = ["| workers | features | MB an iteration | of the formula |", "| --- " * 4 + "|"]
    for workers, by_features in figures.items():
        for features, one in by_features.items():
            over = one["bytes_an_iteration"] / formula(int(workers), int(features))
            lines.append(f"| {workers} | {int(features):,} | {one['bytes_an_iteration'] / 1e6:.2f} | {over:.3f} |")
    return lines


def formula(workers: int, features: int) -> int:
    """Bytes an iteration of up to four workers: points to the scheduler and each, sums from each by the scheduler."""
    point = _point(features)
    return (workers + 1) * point + 2 * workers * 2 * point


def held(figures: dict[str, Any]) -> Lines:
    """Tasks of the scheduler, and the client's memory."""
    tasks = figures["tasks"]
    lines = [
        f"With checkpoints the scheduler held at most {tasks['first 100']} tasks in the first 100 iterations, and "
        f"{tasks['last 50']} in the last 50 of 500. The client's peak, in MB above that of a fit of 1e4 rows:",
        "",
        "| start | 1e5 rows | 1e7 rows |",
        "| --- | --- | --- |",
    ]
    return lines + [
        f"| {start} | {by_rows['100000']:.1f} | {by_rows['10000000']:.1f} |"
        for start, by_rows in figures["client"].items()
    ]


def predicted(figures: dict[str, Any]) -> Lines:
    """What the model of docs/cluster.md makes of the constants measured."""
    each, base = constants(figures["overhead"])
    rate = 4 * LARGE[0] * LARGE[1] / (figures["large"]["here"]["median"] / 1000) / 1e9
    lines = [
        f"Client and scheduler compute about {1000 * each:.1f} ms a worker, beside which {1000 * base:.0f} ms pass "
        f"between tasks (from the first table, up to {MOST_MEASURED} workers: more wait for this machine's cores); "
        f"two threads here read {rate:.1f} GB/s. The model of [On a cluster](cluster.md#what-it-costs) then predicts, "
        f"for workers that read {READS / 1e9:.0f} GB/s from their memory, on a network of {NETWORK / 1e9:g} GB/s, "
        f"{FEATURES:,} features and rank {RANK} (both rates assumed, nothing of this measured):",
        "",
        "| X | workers | GB a worker | sweep, s | between tasks, s | point, sums, s | an iteration, s | of it sweep |",
        "| --- " * 8 + "|",
    ]
    for terabytes in (1, 100):
        for workers in (10, 100, 1000):
            lines.append(_prediction(terabytes * 1e12, workers, base, each))
        best = (terabytes * 1e12 / READS / (each + _point() / NETWORK)) ** 0.5
        lines.append(f"| {terabytes} TB | fastest by about {best:.0f} | | | | | | |")
    return lines


def constants(overhead: dict[str, Any]) -> tuple[float, float]:
    """Seconds for each worker, which client and scheduler compute one after the other, and for none.

    By those runs alone whose workers do not wait much for a core of the machine.
    """
    workers = [int(n) for n in overhead if int(n) <= MOST_MEASURED]
    computed = [overhead[str(n)]["64"]["cpu"]["median"] / 1000 for n in workers]
    each, _ = np.polyfit(workers, computed, 1)
    return float(each), overhead["2"]["64"]["ms"]["median"] / 1000 - 2 * float(each)


def _point(features: int = FEATURES) -> int:
    return 4 * RANK * (features + RANK)


def _prediction(size: float, workers: int, base: float, each: float) -> str:
    point, sums, hop = _point(), 2 * _point(), base / 3
    sweep, between = size / workers / READS, base + each * workers
    levels = log2(workers) / 2
    travel = ((workers + 1) * point + 3 * levels * sums) / NETWORK + levels * hop
    whole = sweep + between + travel
    return (
        f"| {size / 1e12:g} TB | {workers:,} | {size / workers / 1e9:,.0f} | {sweep:.2f} | {between:.2f} | "
        f"{travel:.2f} | {whole:.2f} | {sweep / whole:.0%} |"
    )
