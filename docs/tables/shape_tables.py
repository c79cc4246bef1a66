"""Tables of `shapes` and `first_fit`, for docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from layout import span

Lines = list[str]


def shapes(figures: dict[str, Any]) -> Lines:
    """Means over shapes, a line a shape beside scikit-learn, a line a shape beside the others, and floors."""
    lines = [*means(figures), "", *beside_scikit_learn(figures["shapes"]), "", *beside_others(figures["shapes"])]
    if floors := figures.get("floors"):
        lines += ["", "Iterations on 10,000 × 2,544, planted.", "", *iteration(floors)]
    if missing := figures.get("not_measured"):
        lines += ["", f"Not measured yet: {'; '.join(missing)}."]
    return [*lines, "", quietness([*figures["shapes"].values(), *([floors] if floors else [])])]


def means(figures: dict[str, Any]) -> Lines:
    """One line a peer, the defaults last; where ours is slower, misses the loss or needs a smaller tol is named."""
    lines = ["| to the loss of | times faster, geometric mean (range) | shapes | slower on | notes |"]
    lines.append("| --- " * 5 + "|")
    rows = {"scikit-learn's defaults": figures["to_loss_of_the_reference"]} | figures["to_loss"]
    for name, found in (rows | {"defaults against scikit-learn's defaults": figures["defaults"]}).items():
        notes = [f"by tol 0: {'; '.join(found['by_a_smaller_tol'])}"] if found["by_a_smaller_tol"] else []
        notes += [f"by the best of several starts: {'; '.join(more)}"] if (more := found.get("by_more_starts")) else []
        notes += [f"not reached: {'; '.join(found['missed'])}"] if found["missed"] else []
        slower = "; ".join(found["slower"]) or "–"
        lines.append(f"| {name} | {mean(found)} | {found['shapes']} | {slower} | {'. '.join(notes) or '–'} |")
    return [*lines, "", "A loss that is not reached is in no mean, nor is a peer that refuses or does not end."]


def mean(found: dict[str, Any]) -> str:
    """Geometric mean and range over shapes."""
    if found["ratio"] is None:
        return "–"
    least, most = (number(found["ratio"][end]) for end in ("min", "max"))
    return f"{number(found['geometric_mean_ratio'], 3)}× ({least}–{most})"


def beside_scikit_learn(found: dict[str, Any]) -> Lines:
    """One line a shape."""
    head = (
        "data", "shape", "rank", "scikit-learn, s", "ours to its loss, s", "times faster", "our defaults, s",
        "times faster", "our loss over its", "rounds",
    )  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for name, one in found.items():
        if "skipped" in one:
            lines.append(f"| {name} | {one['skipped']} {'| ' * (len(head) - 2)}|")
            continue
        peer, own = one["peers"][one["reference"]], one["defaults"]
        cells = [name, size(one), one["rank"], seconds(peer.get("seconds")), seconds(peer.get("ours")) + by(peer)]
        cells += [times(peer.get("ratio")), seconds(own["seconds"]), times(own.get("ratio"))]
        cells += [f"{own['loss_over_the_peers']:.3f}" if "ratio" in own else "–", one["rounds"]]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return lines


def beside_others(found: dict[str, Any]) -> Lines:
    """One line a shape, one column a peer that is not the reference."""
    there = {name: one for name, one in found.items() if "skipped" not in one}
    names = list(dict.fromkeys(peer for one in there.values() for peer in one["peers"] if peer != "scikit-learn cd"))
    lines = [f"| data | {' | '.join(names)} |", "| --- " * (len(names) + 1) + "|"]
    for name, one in there.items():
        lines.append(f"| {name} | {' | '.join(beside(one['peers'][peer]) for peer in names)} |")
    return lines


def beside(peer: dict[str, Any]) -> str:
    """Seconds of both and their ratio, or why there are none."""
    if "refused" in peer:
        return str(peer["refused"]).replace("|", "/")
    if "ratio" not in peer:
        return f"{short(peer['seconds'])} s, not reached"
    return f"{short(peer['seconds'])} s against {short(peer['ours'])} s{by(peer)}: {times(peer['ratio'])}"


def iteration(found: dict[str, Any]) -> Lines:
    """One line a rank."""
    lines = [
        f"sgemm {found['gflops']:.0f} GFlop/s, read {found['gigabytes_per_second']:.1f} GB/s.",
        "",
        "| rank | iteration, ms | floor, ms | over its floor |",
        "| --- " * 4 + "|",
    ]
    for rank, one in found["ranks"].items():
        cells = f"{one['milliseconds']['median']:.1f} | {one['floor_milliseconds']:.1f}"
        lines.append(f"| {rank} | {cells} | {span(one['over_floor'])} |")
    return lines


def quietness(found: list[dict[str, Any]]) -> str:
    """How many cores others had, and from when and of which commits the figures are, if not of one."""
    others = [one["quiet"]["cores_of_others"] for one in found if one["quiet"]["cores_of_others"] is not None]
    made = sorted({f"{one['date']} at {one['commit']}" for one in found})
    said = f" Parts are of {', '.join(made)}." if len(made) > 1 else ""
    return f"Other processes took {max(others):.1f} cores at most while a part was measured.{said}" if others else said


def first_fit(figures: dict[str, Any]) -> Lines:
    """One line a tool."""
    parts = {"import": "import, ms", "first": "first fit, ms", "both": "both, ms", "again": "second fit, ms"}
    lines = [f"| tool | {' | '.join(parts.values())} |", "| --- " * (len(parts) + 1) + "|"]
    for name, found in figures["tools"].items():
        lines.append(f"| {name} | {' | '.join(span(found[part], 1) for part in parts)} |")
    lines += ["", f"scikit-learn takes {times(figures['ratio'])} as long, with ours imported; below 1 it is faster."]
    return lines


def size(one: dict[str, Any]) -> str:
    """Rows and columns, and which part is stored."""
    rows, columns = one["shape"]
    part = f", {one['stored'] / rows / columns:.1%} stored" if one["stored"] is not None else ""
    return f"{rows:,} × {columns:,}{part}"


def by(peer: dict[str, Any]) -> str:
    """What was not the default."""
    starts = peer.get("starts", 1)
    return f" (best of {starts} starts)" if starts > 1 else " (tol 0)" if peer.get("tol") == 0 else ""


def times(found: dict[str, float] | None) -> str:
    """Median with the range, as a factor."""
    return seconds(found, "×")


def seconds(found: dict[str, float] | None, unit: str = "") -> str:
    """Median with the range, in three digits and two."""
    return (
        "–" if found is None else f"{number(found['median'], 3)}{unit} ({number(found['min'])}–{number(found['max'])})"
    )


def short(found: dict[str, float]) -> str:
    """The median."""
    return number(found["median"])


def number(value: float, digits: int = 2) -> str:
    """So many digits, and no powers of ten."""
    return f"{value:.{digits}g}" if 1e-4 <= value < 10**digits - 0.5 else f"{value:.0f}"
