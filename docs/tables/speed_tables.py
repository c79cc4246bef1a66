"""Tables of what was measured of the estimator beside others, for docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

Lines = list[str]


def ratio(figures: dict[str, Any]) -> str:
    """Geometric mean and range."""
    return f"{figures['geometric_mean_ratio']:.1f}× ({figures['ratio']['min']:.1f}–{figures['ratio']['max']:.1f})"


def to_loss(figures: dict[str, Any]) -> Lines:
    """One line a goal, and one a rank; of two goals that each run reaches at once one stands for both."""
    n = len(figures["runs"])
    goals = {"near": "within 0.5% of its loss", "same": "its very loss"}
    if all(run["near"] == run["same"] for run in figures["runs"]):
        goals = {"same": "its very loss, and so within 0.5% of it"}
    lines = ["| goal | faster than scikit-learn, geometric mean (range) | runs that miss it |", "| --- | --- | --- |"]
    for goal, name in goals.items():
        lines.append(f"| {name} | {ratio(figures[goal])} | {figures[goal]['misses']} of {n} |")
    defaults = figures["defaults"]
    lines.append(
        f"| defaults against defaults | {ratio(defaults)} | {defaults['ends_above_the_peer']} of {n} end above |"
    )
    heads = {"near": "ours to within 0.5%, s", "same": "ours to its loss, s"}
    shown = " | ".join(heads[goal] for goal in goals)
    lines += ["", f"| rank | scikit-learn, s | {shown} | ours by defaults, s |", "| --- " * (len(goals) + 3) + "|"]
    for rank in sorted({run["rank"] for run in figures["runs"]}):
        runs = [run for run in figures["runs"] if run["rank"] == rank]
        cells = [median([run[key] for run in runs if run[key]]) for key in ("peer_seconds", *goals, "default_seconds")]
        lines.append(f"| {rank} | {' | '.join(cells)} |")
    return lines


def median(values: list[float]) -> str:
    """Median with the range, in seconds."""
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.2f} ({ordered[0]:.2f}–{ordered[-1]:.2f})" if ordered else "–"


def path(figures: dict[str, Any]) -> Lines:
    """One line a goal."""
    n = 5 * len(figures["runs"])
    lines = [
        "| goal | faster than scikit-learn, geometric mean (range) | fits that end above it |",
        "| --- | --- | --- |",
    ]
    for goal, name in (("same", "its losses"), ("defaults", "defaults against defaults")):
        lines.append(f"| {name} | {ratio(figures[goal])} | {figures[goal]['misses']} of {n} |")
    return lines


def peers(figures: dict[str, Any]) -> Lines:
    """One line a peer."""
    ranks = sorted({run["rank"] for run in figures["runs"]})
    lines = [
        f"| peer | times faster, geometric mean | {' | '.join(f'rank {rank}' for rank in ranks)} |",
        "| --- " * (len(ranks) + 2) + "|",
    ]
    for name, mean in figures["geometric_mean_ratio"].items():
        runs = {run["rank"]: run for run in figures["runs"] if run["peer"] == name}
        lines.append(f"| {name} | {mean:.0f}× | {' | '.join(peer_cell(runs[rank]) for rank in ranks)} |")
    return [
        *lines,
        "",
        "scikit-learn keeps its own tol of 1e-4: where its mu stays above the goal, that is where it stopped.",
    ]


def peer_cell(run: dict[str, Any]) -> str:
    """Seconds of both, and where the peer stopped if it did not arrive."""
    short = "" if run["arrived"] else f", at {100 * (run['peer_loss_over_best'] - 1):.0f}% above"
    mine = "–" if run["seconds"] is None else f"{run['seconds']:.2f} s"
    return f"{run['peer_seconds']:.1f} s{short} against {mine}"


def mu(figures: dict[str, Any]) -> Lines:
    """One line a rank."""
    head = "| rank | ours, ms | scikit-learn, ms | times as fast |"
    return [head, "| --- " * 4 + "|"] + [
        f"| {rank} | {side_by_side(found, 'milliseconds', 1)} |" for rank, found in figures.items()
    ]


def side_by_side(found: dict[str, Any], unit: str, digits: int) -> str:
    """Medians of ours and of the peer, and their ratio."""
    ours, peer = found[unit]["median"], found[f"peer_{unit}"]["median"]
    times = ratio({"geometric_mean_ratio": found["ratio"]["geometric_mean"], "ratio": found["ratio"]})
    return f"{ours:.{digits}f} | {peer:.{digits}f} | {times}"


def memory(figures: dict[str, Any]) -> Lines:
    """One line a rank."""
    return ["| rank | beyond X, F and H, MB | of X |", "| --- " * 3 + "|"] + [
        f"| {rank} | {found['beyond_megabytes']:.1f} | {found['part_of_X']:.1%} |" for rank, found in figures.items()
    ]


def growth(figures: dict[str, Any]) -> Lines:
    """One line a size."""
    head = ["| rows | GB | µs a row | GB/s | anonymous memory, MB |", "| --- " * 5 + "|"]
    return head + [
        f"| {int(rows):,} | {found['gigabytes']:.2f} | {found['microseconds_per_row']:.2f} | "
        f"{found['gigabytes_per_second']:.1f} | {found['anonymous_megabytes']:.0f} |"
        for rows, found in figures.items()
    ]


def planted(figures: dict[str, Any]) -> Lines:
    """One table a study, one line a noise and tool."""
    titles = {
        "complete": ("cosine of planted and found", "seconds"),
        "scaled": ("cosine, one block a hundred times as large",),
        "missing": ("relative error of the missing block",),
        "rank": ("planted rank found, of all seeds",),
    }
    lines: Lines = []
    for study, columns in titles.items():
        lines += ["", f"| noise | {study} | {' | '.join(columns)} |", "| --- " * (len(columns) + 2) + "|"]
        for noise, tools in figures[study].items():
            for name, found in tools.items():
                cells = [f"{one['mean']:.0%}" if study == "rank" else mean_of(one) for one in found]
                lines.append(f"| {noise} | {name} | {' | '.join(cells)} |")
    return lines[1:]


def mean_of(found: dict[str, float]) -> str:
    """Mean with the range."""
    return f"{found['mean']:.4f} ({found['min']:.4f}–{found['max']:.4f})"


def sparse(figures: dict[str, Any]) -> Lines:
    """One line a loss and solver."""
    lines = [
        f"{figures['stored']:,} entries are stored.",
        "",
        "| loss, solver | ours, s | scikit-learn, s | times as fast | our loss over its |",
        "| --- " * 5 + "|",
    ]
    for name, found in figures["runs"].items():
        lines.append(f"| {name} | {side_by_side(found, 'seconds', 2)} | {found['loss_over_the_peers']:.3f} |")
    return lines


REACHED = {"seconds": 2, "iterations": 0, "ratio": 1}  # what is said of fits to a loss, and its digits


def ranged(spread: dict[str, float], digits: int) -> str:
    """Median with the range."""
    middle, least, most = (f"{spread[key]:.{digits}f}" for key in ("median", "min", "max"))
    return f"{middle} ({least}–{most})"


def divergence(figures: dict[str, Any]) -> Lines:
    """One line for each data and start."""
    heads = "data, rank | start | scikit-learn, s | ours, s | iterations | times as fast | missed | by defaults"
    lines = [f"| {heads} | our loss over its |", "| --- " * 9 + "|"]
    for name, found in figures["data"].items():
        for start, own in found["starts"].items():
            defaults = own["defaults"]
            cells = [
                f"{name}, {found['rank']}",
                "where HALS ends" if start == "auto" else start,
                ranged(found["peer_seconds"], 2),
                *(ranged(own[key], digits) if key in own else "–" for key, digits in REACHED.items()),
                str(own["misses"]),
                ranged(defaults["ratio"], 1),
                ranged(defaults["loss_over_the_peers"], 4),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def costs(figures: dict[str, Any]) -> Lines:
    """One line a rank, for iterations and for F given H."""
    names = list(next(iter(figures["ranks"].values())))
    lines = []
    for key, what in (
        ("over_frobenius", "an iteration over one of Frobenius"),
        ("solve_in_iterations", "F for a given H, in iterations of its own"),
    ):
        lines += ["", f"| rank: {what} | {' | '.join(names)} |", "| --- " * (len(names) + 1) + "|"]
        for rank, found in figures["ranks"].items():
            cells = [ranged(one[key], 2) for one in found.values()]
            if key == "over_frobenius":
                cells[0] = f"{found[names[0]]['milliseconds']['median']:.1f} ms"
            lines.append(f"| {rank} | {' | '.join(cells)} |")
    return lines[1:]
