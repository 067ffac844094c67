"""A picture of what compare.py has measured: throughput and CPU time as multiples of Node's, a bar for each server.

    python benchmarks/plot.py RESULTS.json PICTURE      PNG or SVG, by the picture's name; needs matplotlib

compare.py draws it too, with --plot.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from table import Table, ratio, reference


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Draw the results, as compare.py writes them with --json, into a file."""
    from matplotlib.figure import Figure  # here only: all else must run without it

    table, figures = results["table"], results["figures"]
    figure = Figure(figsize=(11, 8), layout="constrained")
    above, below = figure.subplots(2)
    _bars(above, table, figures, "its figure (open: p99, idle: memory; there less is better)")
    _bars(below, table, dict.fromkeys(table, "server_us_per_op"), "server CPU time for each operation (less is better)")
    above.legend(ncols=4, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _bars(axes: Any, table: Table, figures: Mapping[str, str], title: str) -> None:
    everyone = list(next(iter(table.values())))
    base = reference(everyone)
    names = [name for name in everyone if name != base] or everyone
    width = 0.8 / len(names)
    for at, name in enumerate(names):
        heights = [ratio(cells[name], cells[base], figures[work]) or float("nan") for work, cells in table.items()]
        axes.bar([x + at * width for x in range(len(table))], [h - 1 for h in heights], width, bottom=1, label=name)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_xticks([x + 0.4 - width / 2 for x in range(len(table))], list(table))
    axes.set_title(title, fontsize="medium")
    axes.set_ylabel(f"multiple of {base}'s")


def main() -> None:
    source, target = sys.argv[1:]
    draw(json.loads(Path(source).read_text()), Path(target))


if __name__ == "__main__":
    main()
