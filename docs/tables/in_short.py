"""What each record comes to, in one line: the summary at the head of docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from shape_tables import mean
from speed_tables import ratio

Figures = dict[str, Any]


def to_loss(figures: Figures) -> str:
    """Ratios of times, and how often the loss is missed."""
    n, defaults = len(figures["runs"]), figures["defaults"]
    above = f", above its loss in {defaults['ends_above_the_peer']} of {n}" if defaults["ends_above_the_peer"] else ""
    return f"{_reached(figures['same'], f'{n} runs')}; by defaults {_of(ratio(defaults))}{above}"


def path(figures: Figures) -> str:
    """Ratios of times, and how often one of the five losses is missed."""
    n = 5 * len(figures["runs"])
    return f"{_reached(figures['same'], f'{n} fits')}; by defaults {_of(ratio(figures['defaults']))}"


def _reached(same: Figures, of: str) -> str:
    missed = f", missed in {same['misses']} of {of}" if same["misses"] else ""
    return f"{as_fast(ratio(same))}{missed}"


def as_fast(ratio: str) -> str:
    """A ratio with its range, in words."""
    return f"{_of(ratio)} times as fast"


def _of(ratio: str) -> str:
    return ratio.replace("×", "", 1)


def shapes(figures: Figures) -> str:
    """Means over shapes, how many are slower, and how far an iteration is from what the machine could do."""
    own, defaults = figures["to_loss_of_the_reference"], figures["defaults"]
    slower = f"slower on {len(defaults['slower'])} of {defaults['shapes']}"
    floors = [found["over_floor"]["median"] for found in figures.get("floors", {}).get("ranks", {}).values()]
    over = f"; an iteration takes {min(floors):.2f} to {max(floors):.2f} times its floor" if floors else ""
    return f"{as_fast(mean(own))}; by defaults {_of(mean(defaults))}, {slower}{over}"


def first_fit(figures: Figures) -> str:
    """Times of both."""
    ours, peer = (figures["tools"][name]["both"]["median"] for name in ("coupled_nmf", "scikit-learn"))
    return f"{ours:.0f} ms against {peer:.0f} ms, with our import"


def peers(figures: Figures) -> str:
    """The nearest and the farthest of the peers."""
    ratios = figures["geometric_mean_ratio"]
    near, far = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
    return f"{ratios[near]:.0f} ({near}) to {ratios[far]:.0f} ({far}) times as fast"


def mu(figures: Figures) -> str:
    """Ratios of times, by rank."""
    means = {rank: one["ratio"]["geometric_mean"] for rank, one in figures.items()}
    return ", ".join(f"{found:.1f} times as fast at rank {rank}" for rank, found in means.items())


def memory(figures: Figures) -> str:
    """As a part of X."""
    return ", ".join(f"{found['part_of_X']:.1%} of X at rank {rank}" for rank, found in figures.items())


def growth(figures: Figures) -> str:
    """The first size and the last."""
    (few, least), *_, (many, most) = figures.items()
    each = "{:.1f} µs a row at {:,} rows"
    return ", ".join(each.format(one["microseconds_per_row"], int(rows)) for rows, one in ((few, least), (many, most)))


def sparse(figures: Figures) -> str:
    """Ratios of times."""
    means = {name: one["ratio"]["geometric_mean"] for name, one in figures["runs"].items()}
    return "; ".join(f"{name}: {found:.1f} times as fast" for name, found in means.items())


def divergence(figures: Figures) -> str:
    """The mean over the data, and how default fits end."""
    data = figures["data"].values()
    over = [one["starts"]["auto"]["defaults"]["loss_over_the_peers"]["median"] for one in data]
    means = figures["geometric_mean_ratio"]
    fast = f"{means['auto']:.1f} times as fast" if "auto" in means else "some fits miss its loss"
    return f"{fast}; default fits end at {min(over):.3f} to {max(over):.3f} of its loss"


def costs(figures: Figures) -> str:
    """Ranges over the ranks."""

    def over(name: str, key: str) -> str:
        medians = [found[name][key]["median"] for found in figures["ranks"].values()]
        return f"{min(medians):.1f} to {max(medians):.1f}"

    whole, gappy, divergence = "Frobenius", "Frobenius, with gaps", "Kullback–Leibler"
    return (
        f"with a tenth missing {over(gappy, 'over_frobenius')} of an iteration without, Kullback–Leibler "
        f"{over(divergence, 'over_frobenius')}; F for a given H: {over(whole, 'solve_in_iterations')} iterations, with "
        f"gaps {over(gappy, 'solve_in_iterations')}, Kullback–Leibler {over(divergence, 'solve_in_iterations')}"
    )


def planted(figures: Figures) -> str:
    """How often the rank is found, at the most noise."""
    noise, tools = list(figures["rank"].items())[-1]
    found = ", ".join(f"{name} {own[0]['mean']:.0%}" for name, own in tools.items())
    return f"the rank, at noise {noise}: {found}"


def cluster(figures: Figures) -> str:
    """The large X beside one process."""
    return f"{figures['large']['ratio']['median']:.2f} times the time of one process, 2 GB on two workers"


def gpu(figures: Figures) -> str:
    """Beside torchnmf, on the paper's data."""
    runs = [run for run in figures["paper"].get("torchnmf", []) if "ratio" in run]
    return ", ".join(f"{run['ratio']['median']:.0f} times as fast as torchnmf at rank {run['rank']}" for run in runs)


def recording(figures: Figures) -> str:
    """Times a pass that records nothing."""
    return f"{figures['mean']['median']:.2f} (means) and {figures['whole']['median']:.2f} (all) of the bare pass's time"


def label_noise(figures: Figures) -> str:
    """Average precision on MNIST, or what there is."""
    data = "mnist" if "mnist" in figures else "digits"
    found = "; ".join(f"{source}: {one['ap']['median']:.2f}" for source, one in figures[data].items())
    return f"average precision on {data} by {found}"


def checkpoints(figures: Figures) -> str:
    """Which of the networks without a class have lost it, in which blocks."""
    blocks = [name for name in figures if name != "accuracy"]
    lost = [f"{name}: {_found(figures[name])}" for name in blocks]
    return f"left-out classes found lost, by what is factored: {'; '.join(lost)}"


def _found(block: Figures) -> str:
    left_out = {name: one for name, one in block.items() if name.startswith("without")}
    right = [name for name, one in left_out.items() if int(name.split()[-1]) in map(int, one["classes lost"])]
    return f"{len(right)} of {len(left_out)}"


def training_seeds(figures: Figures) -> str:
    """Of all comparisons with a class left out."""
    said = []
    for name, columns in figures.items():
        own = [one for column, one in columns.items() if column.startswith("without")]
        said.append(f"{name}: {sum(one['right'] for one in own)} of {sum(one['of'] for one in own)}")
    return f"left-out classes found lost: {'; '.join(said)}"


def use(figures: Figures) -> str:
    """Coupled beside separate, in the first block and the last layer."""
    first, *_, last = (name for name in figures if name != "all")
    said = (
        f"{name} {figures[name]['coupled']['median']:.3f} against {figures[name]['separate']['median']:.3f}"
        for name in (first, last)
    )
    return f"relative error, coupled against alone: {', '.join(said)}"


def page(figures: Figures) -> str:
    """Size, and time to open."""
    opened = next(iter(figures["milliseconds"].values()))["opened"]["median"]
    return f"{figures['bytes']['page'] / 1000:,.0f} kB, opened in {opened:.0f} ms"
