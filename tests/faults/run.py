"""Run every fault of the catalogue many times, and write a table of the results: ``make faults``.

``run.py [--times N] [--only WORDS] [--seed N] [--report docs/reliability.md]``
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from faults.catalogue import FAULTS, Fault
from faults.trial import Trial, run

BEGIN, END = "<!-- faults: made by make faults -->", "<!-- end of faults -->"
_COLUMNS = "| fault | times | acknowledged | lost | twice | out of order | back within (median, longest) |"


@dataclass
class Row:
    """The results of all trials of one fault."""

    fault: Fault
    trials: list[Trial] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def total(self, *names: str) -> int:
        """Return the number of broken promises."""
        return sum(getattr(trial.verdict, name) for trial in self.trials for name in names)

    @property
    def broken(self) -> bool:
        """Whether a promise was broken."""
        untold = self.fault.told and not all(trial.told for trial in self.trials)
        return bool(self.failures) or untold or any(trial.broken for trial in self.trials)

    def __str__(self) -> str:
        lost = self.total("lost", "unhandled") + (
            0 if "lost_stored" in self.fault.allows else self.total("lost_stored")
        )
        times = [trial.recovery for trial in self.trials if trial.recovery is not None]
        back = f"{statistics.median(times):.2f} s, {max(times):.2f} s" if times else ""
        twice, disordered = (
            self.total("duplicated", "stored_twice", "handled_twice"),
            self.total("disordered", "broken_chain", "moved", "key_disordered"),
        )
        cells = [self.fault.name, len(self.trials), self.total("acked"), lost, twice, disordered, back]
        return f"| {' | '.join(map(str, cells))} |"


async def repeat(fault: Fault, times: int, seed: int) -> Row:
    """Run a fault many times, each with another seed."""
    row = Row(fault)
    for number in range(times):
        with tempfile.TemporaryDirectory(prefix="rtmsg-fault-") as folder:
            try:
                row.trials.append(await run(fault, Path(folder), seed + number))
            except Exception:
                row.failures.append(traceback.format_exc())
        if row.trials and row.trials[-1].broken:
            print(f"{fault.name}, seed {seed + number}: {row.trials[-1].broken}", file=sys.stderr)
    return row


def report(rows: list[Row], path: Path) -> None:
    """Insert the table between the marks of a document."""
    table = "\n".join([_COLUMNS, "|---|--:|--:|--:|--:|--:|---|", *map(str, rows)])
    text = path.read_text()
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    path.write_text(f"{before}\n{table}\n{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    rows = []
    for fault in FAULTS.values():
        if arguments.only in fault.name or arguments.only == fault.kind:
            rows.append(asyncio.run(repeat(fault, arguments.times, arguments.seed)))
            print(rows[-1], *rows[-1].failures, sep="\n", flush=True)
    if arguments.report:
        report(rows, arguments.report)
    return int(any(row.broken for row in rows))


if __name__ == "__main__":
    sys.exit(main())
