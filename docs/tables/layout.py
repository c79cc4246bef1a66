"""How pages that are made of records are laid: numbers, columns of them, and addresses of headings."""

from __future__ import annotations

import re

LONGEST = 50  # characters of a cell that is still a number with its range
NUMBER = re.compile(r"[+-]?\d|–")
RULE = re.compile(r"\|( :?-+:? \|)+")


def span(found: dict[str, float] | None, digits: int = 2, unit: str = "") -> str:
    """Median with the range; a dash for what was not measured."""
    if found is None:
        return "–"
    median, least, most = (f"{found[name]:.{digits}f}" for name in ("median", "min", "max"))
    return f"{median}{unit} ({least}–{most})"


def aligned(text: str) -> str:
    """A page whose columns of numbers, but for the first, are on the right, where the site's style breaks no line."""
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if RULE.fullmatch(line.strip()):
            rows = []
            for row in lines[place + 1 :]:
                if not row.startswith("|"):
                    break
                rows.append(_cells(row))
            columns = zip(*rows, strict=True)
            rules = ["---", *("---:" if _is_of_numbers(column) else "---" for column in list(columns)[1:])]
            lines[place] = f"| {' | '.join(rules)} |"
    return "\n".join(lines)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _is_of_numbers(column: tuple[str, ...]) -> bool:
    """Whether most that stands in a column is a number, with what belongs to it."""
    there = [cell for cell in column if cell]
    numbers = [cell for cell in there if NUMBER.match(cell)]
    return 2 * len(numbers) > len(there) and max(map(len, there)) <= LONGEST


def address(heading: str) -> str:
    """The part of an address that leads to a heading of this page, as the site and GitHub make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
