"""Tables of what was measured on a GPU, for docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from layout import span

Lines = list[str]


def gpu(figures: dict[str, Any]) -> Lines:
    """The agreement, and two tables a workload."""
    worst = max(figures["agreement"].values())
    lines = [
        f"The backends' factors differ by {worst:.0e} of the largest entry at most. "
        f"The first fit takes {figures['first_fit_seconds']:.1f} s."
    ]
    for name in ("paper", "large"):
        found = figures[name]
        rows, columns = found["shape"]
        if "skipped" in found:
            lines += ["", f"**{rows:,} × {columns:,}**: not measured, since {found['skipped']}."]
            continue
        copied, multiplied = found["copy_gigabytes_per_second"]["max"], found["sgemm_teraflops"]["max"]
        lines += [
            "",
            f"**{rows:,} × {columns:,}** ({found['data']}): copies {copied:,.0f} GB/s, sgemm {multiplied:.1f} TFlop/s; "
            f"{found['rounds']} rounds.",
            "",
            *gpu_iterations(found["iterations"]),
            "",
            *gpu_torchnmf(found["torchnmf"]),
        ]
    return lines


def gpu_iterations(entries: list[dict[str, Any]]) -> Lines:
    """One line a solver and rank; what was not measured is a dash."""
    head = "| solver, rank | iteration, ms | floor, ms | over its floor | plain CuPy | NumPy | TF32 | TF32's loss |"
    lines = [head, "| --- " * 8 + "|"]
    for entry in entries:
        others = [span(entry["over_ours"].get(name), unit="×") for name in ("plain", "numpy", "tf32")]
        difference = entry.get("tf32_loss_difference")
        lines.append(
            f"| {entry['solver']}, {entry['rank']} | {entry['milliseconds']['ours']['median']:.3f} | "
            f"{entry['floor_milliseconds']:.3f} | {span(entry['over_floor'], unit='×')} | {' | '.join(others)} | "
            f"{'–' if difference is None else f'{difference:+.1e}'} |"
        )
    note = (
        "Plain CuPy, NumPy and TF32 take so many times as long as ours in full precision; TF32's loss is against its."
    )
    return [*lines, "", note]


def gpu_torchnmf(entries: list[dict[str, Any]]) -> Lines:
    """One line a rank."""
    lines = ["| rank | ours, s | torchnmf, s | ratio | ours above the best loss | torchnmf |", "| --- " * 6 + "|"]
    for found in entries:
        if "skipped" in found:
            lines.append(f"| {found['rank']} | {found['skipped']} | | | | |")
            continue
        ours, peer = found["seconds"]["median"], found["peer_seconds"]["median"]
        above = [100 * (found[key] - 1) for key in ("loss_over_best", "peer_loss_over_best")]
        lines.append(
            f"| {found['rank']} | {ours:.3f} | {peer:.3f} | {span(found['ratio'], unit='×')} | "
            f"{above[0]:.1f}% | {above[1]:.1f}% |"
        )
    return lines
