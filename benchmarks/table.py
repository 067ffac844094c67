"""Medians, ratios and tables of what compare.py has measured: pure functions over figures.

A cell is what one server did under one workload: the figures that sioload prints, or "error" and its text. A table
has the cells by workload and server.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Cell = Mapping[str, Any]
Table = Mapping[str, Mapping[str, Cell]]

COLUMNS = {  # title: (figure, divided by, format)
    "CPU us/op": ("server_us_per_op", 1, ",.2f"),
    "p50 ms": ("p50_us", 1000, ",.2f"),
    "p99 ms": ("p99_us", 1000, ",.2f"),
    "RSS MB": ("rss_mb", 1, ",.0f"),
    "lost": ("dropped", 1, ",.0f"),
}


class Floor(NamedTuple):
    """What ours must reach, as a multiple of Node's: at least so much, or at most, where less is better."""

    multiple: float
    at_most: bool = False

    def held(self, multiple: float) -> bool:
        return multiple <= self.multiple if self.at_most else multiple >= self.multiple

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.multiple:g}"


def median(cells: Sequence[Cell]) -> Cell:
    """Return the median of each figure over the runs that ended well; the first run if none did."""
    good = [cell for cell in cells if "error" not in cell]
    return {key: statistics.median(cell[key] for cell in good) for key in good[0]} if good else cells[0]


def reference(names: Sequence[str], wanted: str = "node") -> str:
    """Return the server that the others are compared with: Node, or the first one."""
    return wanted if wanted in names else names[0]


def ratio(cell: Cell, base: Cell, figure: str) -> float | None:
    """Return a figure as a multiple of the same figure of another cell; None where either lacks it."""
    one, other = cell.get(figure), base.get(figure)
    return one / other if one is not None and other else None


def workload(title: str, figure: str, cells: Mapping[str, Cell], base: str) -> str:
    """Return the table of one workload: a line for each server."""
    head = f"{figure:>16}{': ' + base:>9}" + "".join(f"{column:>11}" for column in COLUMNS)
    lines = [title, f"  {'':18}{head}"]
    for name, cell in cells.items():
        lines.append(f"  {name:18}" + (_row(cell, cells[base], figure) if "error" not in cell else f" {cell['error']}"))
    return "\n".join(lines)


def summary(
    table: Table,
    names: Sequence[str],
    key: Callable[[str], str],
    title: str,
    floors: Mapping[str, Floor] | None = None,
) -> str:
    """Return one figure of all servers as multiples of the reference's, a line for each workload.

    Parameters
    ----------
    key : callable
        Gives the figure of a workload.
    floors : mapping of Floor, optional
        By workload: told, and whether ours is below, where Node is the reference and ours was measured.
    """
    base = reference(names)
    floors = floors if floors and base == "node" and "ours" in names else {}
    head = "".join(f"{name:>17}" for name in names) + ("    floor of ours" if floors else "")
    lines = [f"{title}, as a multiple of {base}'s", f"  {'':8}{head}"]
    for work, cells in table.items():
        multiples = {name: ratio(cells[name], cells[base], key(work)) for name in names}
        row = "".join(_number(multiple, ".2f", 17) for multiple in multiples.values())
        lines.append(f"  {work:8}{row}" + (_verdict(floors[work], multiples["ours"]) if work in floors else ""))
    return "\n".join(lines)


def _verdict(floor: Floor, multiple: float | None) -> str:
    mark = "" if multiple is not None and floor.held(multiple) else "   NOT HELD"
    return f"    {floor!s:>13}{mark}"


def _row(cell: Cell, base: Cell, figure: str) -> str:
    first = _number(cell.get(figure), ",.0f" if cell.get(figure, 0) >= 100 else ".1f", 16) + _number(
        ratio(cell, base, figure), ".2f", 9
    )
    rest = ((cell.get(name), scale, form) for name, scale, form in COLUMNS.values())
    return first + "".join(_number(None if value is None else value / scale, form, 11) for value, scale, form in rest)


def _number(value: float | None, form: str, width: int) -> str:
    return f"{'-' if value is None else format(value, form):>{width}}"
