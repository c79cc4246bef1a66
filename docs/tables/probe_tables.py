"""Tables of what was measured of probes, for docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from layout import span

Lines = list[str]


def recording(figures: dict[str, Any]) -> Lines:
    """One line a way."""
    lines = ["| recorded | against the bare pass, median (range) |", "| --- | --- |"]
    for name, said in (("mean", "mean of each channel"), ("whole", "every number")):
        own = figures[name]
        lines.append(f"| {said} | {span(own)} |")
    return lines


def label_noise(figures: dict[str, Any]) -> Lines:
    """One line a data set and source."""
    lines = [
        "| data | judged by | precision at the number planted | average precision | cleanlab's, of its issues |",
        "| --- " * 5 + "|",
    ]
    for data in ("digits", "mnist"):
        for source, found in figures.get(data, {}).items():
            cells = [span(found.get(name)) for name in ("precision", "ap", "cleanlab issues ap")]
            lines.append(f"| {data} | {source} | {' | '.join(cells)} |")
    return lines


def checkpoints(figures: dict[str, Any]) -> Lines:
    """One line a network that is held against the reference, one column a choice of blocks."""
    blocks = [name for name in figures if name != "accuracy"]
    lines = [f"| held against | {' | '.join(blocks)} |", "| --- " * (1 + len(blocks)) + "|"]
    for other in figures[blocks[0]]:
        cells = []
        for name in blocks:
            found = figures[name][other]
            lost = found.get("classes lost") or []
            cells.append(span(found["cosine"]) + (f", lost: {', '.join(map(str, lost))}" if lost else ""))
        lines.append(f"| {other} | {' | '.join(cells)} |")
    return lines


def training_seeds(figures: dict[str, Any]) -> Lines:
    """One line a choice of outputs, one column a class that was left out of the training."""
    columns = list(next(iter(figures.values())))
    lines = [f"| factored | {' | '.join(columns)} |", "| --- " * (1 + len(columns)) + "|"]
    for name, found in figures.items():
        cells = [f"{own['right']} of {own['of']}, {own['wrong']} wrong" for own in found.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def use(figures: dict[str, Any]) -> Lines:
    """One line a block, trained and untrained."""
    columns = [name for name in next(iter(figures.values())) if not name.endswith(", untrained")]
    lines = [f"| block | network | {' | '.join(columns)} |", "| --- " * (2 + len(columns)) + "|"]
    for block, found in figures.items():
        for network, end in (("trained", ""), ("untrained", ", untrained")):
            cells = [span(found[name + end], 1 if name == "effective rank" else 3) for name in columns]
            lines.append(f"| {block} | {network} | {' | '.join(cells)} |")
    return lines


def page_table(figures: dict[str, Any]) -> Lines:
    """Bytes of a page and its parts, and times by the width of the window."""
    sizes = [f"| {what} | {count / 1000:,.0f} |" for what, count in figures["bytes"].items()]
    lines = ["| part | kB |", "| --- | ---: |", *sizes, "", "| window, pixels | what | median, ms | from | to |"]
    lines.append("| --- " * 5 + "|")
    for width, found in figures["milliseconds"].items():
        for what, times in {"opened": found["opened"], **found["selected"]}.items():
            ends = f"{times['min']:.0f} | {times['max']:.0f}"
            lines.append(f"| {width} | {what.replace('#', 'to ')} | {times['median']:.0f} | {ends} |")
    return lines
