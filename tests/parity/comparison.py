"""What Node's server does and what ours does: tried on both by one driver, and told in the documents.

``python tests/parity/comparison.py`` writes the tables of docs/protocol.md and docs/server.md anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SERVERS = {"node": ["node", "server.js"], "ours": [sys.executable, "server.py"]}


@dataclass(frozen=True)
class Behaviour:
    """A behaviour of Node's server, and what a run saw of it.

    Attributes
    ----------
    at : int
        Its place in the table.
    id, area, says : str
    gives : object
        What Node's server does, as the driver sees it: JSON.
    saw : object
        What the server of the run did.
    failed : str, optional
        Why nothing could be seen.
    """

    at: int
    id: str
    area: str
    says: str
    gives: Any
    saw: Any = None
    failed: str | None = None


@dataclass(frozen=True)
class Difference:
    """What our server does otherwise.

    Attributes
    ----------
    saw : object
        What the driver sees: JSON.
    why : str
        What it does, and the reason; a cell of a table.
    """

    saw: Any
    why: str


def run(server: str, *ids: str) -> dict[str, Behaviour]:
    """Try all behaviours, or some, with a server ("node" or "ours"), and return what was seen."""
    environment = {**os.environ, "NODE_PATH": str(ROOT / "tests/interop/node_modules")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    tested = subprocess.Popen(
        SERVERS[server], cwd=HERE, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert tested.stdin is not None
    assert tested.stdout is not None
    try:
        port = tested.stdout.readline().strip()
        driver = subprocess.run(
            ["node", "driver.js", port, *ids], cwd=HERE, env=environment, stdout=subprocess.PIPE, check=True
        )
    finally:
        tested.stdin.close()  # it ends by itself
        tested.wait(20)
        tested.stdout.close()
    seen = [Behaviour(**json.loads(line)) for line in driver.stdout.split(b"\n") if line]
    assert len({behaviour.id for behaviour in seen}) == len(seen), "two behaviours have the same id"
    return {behaviour.id: behaviour for behaviour in seen}


def run_both() -> tuple[dict[str, Behaviour], dict[str, Behaviour]]:
    """Try all behaviours with both servers, side by side."""
    with ThreadPoolExecutor() as pool:
        node, ours = pool.map(run, SERVERS)
    return node, ours


# --- the tables


def table(behaviours: Iterable[Behaviour], differences: dict[str, Difference]) -> str:
    """Return the table of docs/protocol.md."""
    all_of_them = in_order(behaviours)
    count, others = len(all_of_them), sum(each.id in differences for each in all_of_them)
    lines = [f"{count} behaviours, {count - others} the same, {others} different.", ""]
    for area, group in groupby(all_of_them, lambda behaviour: behaviour.area):
        lines += [f"### {area}", "", "| Node's server | here |", "|---|---|"]
        for each in group:
            why = f"**different**: {differences[each.id].why}" if each.id in differences else "same"
            lines.append(f"| {_cell(each.says)} | {_cell(why)} |")
        lines.append("")
    return "\n".join(lines)


def short_table(behaviours: Iterable[Behaviour], differences: dict[str, Difference]) -> str:
    """Return the table of docs/server.md: what differs."""
    lines = ["| | Node's server | here |", "|---|---|---|"]
    area = None
    for each in in_order(behaviours):
        if each.id in differences:
            said = "" if each.area == area else each.area
            lines.append(f"| {said} | {_cell(each.says)} | {_cell(differences[each.id].why)} |")
            area = each.area
    return "\n".join(lines)


def in_order(behaviours: Iterable[Behaviour]) -> list[Behaviour]:
    """Sort behaviours as the areas list them: they are seen in another order."""
    return sorted(behaviours, key=lambda behaviour: behaviour.at)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def between_markers(path: Path) -> tuple[str, str, str]:
    """Split a document at the markers of its table: what is before, the table, what is behind."""
    before, begin, rest = path.read_text(encoding="utf-8").partition("<!-- parity -->\n")
    inside, end, behind = rest.partition("<!-- /parity -->\n")
    assert begin, path
    assert end, path
    return before + begin, inside, end + behind


def documents(behaviours: Iterable[Behaviour], differences: dict[str, Difference]) -> Iterator[tuple[Path, str]]:
    """Give each document and the table that it should have."""
    seen = list(behaviours)
    yield ROOT / "docs/protocol.md", table(seen, differences) + "\n"
    yield ROOT / "docs/server.md", short_table(seen, differences) + "\n"


def main() -> None:
    """Write the tables anew."""
    sys.path.insert(0, str(HERE.parent))
    from parity.differences import DIFFERENCES

    for path, text in documents(run("node").values(), DIFFERENCES):
        before, _, behind = between_markers(path)
        path.write_text(before + text + behind, encoding="utf-8")


if __name__ == "__main__":
    main()
