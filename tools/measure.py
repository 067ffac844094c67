"""Measure how the source reads, and check the figures against bounds.

::

    python tools/measure.py                    the figures of jupyter_rtmsg and their bounds
    python tools/measure.py --check            fail if a figure is out of its bounds (part of `make check`)
    python tools/measure.py --list circles     the places that a figure counts; by a word of its name
    python tools/measure.py --peers            the same figures of h11, websockets, httpx and starlette
    python tools/measure.py --root DIRECTORY   another checkout of this project

The figures come from the syntax trees of the files, except for the walk: a real event is emitted from one client to
another through a real hub, and the files whose functions run on its way are counted (see walk.py).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from figures import Figure, comments_in, measure, read

ROOT = Path(__file__).parents[1]
PACKAGE = "jupyter_rtmsg"
PEERS = {"h11": "h11", "websockets": "src/websockets", "httpx": "httpx", "starlette": "starlette"}
"""Distributions on PyPI, and where each sdist has its package."""

# The lowest and the highest value that a figure may have.
BOUNDS: dict[str, tuple[float, float]] = {
    "files": (1, 375),
    "lines of a file: median": (100, 170),
    "lines of a file: max": (1, 400),
    "lines of a body: median": (1, 5),
    "lines of a body: p90": (1, 14),
    "lines of a body: max": (1, 40),
    "nesting: p90": (0, 2),
    "nesting: max": (0, 4),
    "comments per code line": (0.03, 0.3),
    "comments per code line of state machines": (0.08, 0.15),
    "imports in functions": (0, 8),
    "import circles": (0, 0),
    "class names with two meanings": (0, 1),
    "foreign writes per 1,000 lines": (0, 0.5),
    "files of the walk": (1, 75),
}

# The files whose order of steps matters: what may happen between two of their lines must be said there.
STATE_MACHINES = (
    "server/session.py", "server/websocket.py", "server/polling.py", "server/upgrade.py", "server/heartbeat.py",
    "server/outbox.py", "server/turns.py", "server/dispatch.py",
    "client/manager.py", "client/link.py", "client/session.py", "client/sending.py", "client/polling.py",
    "rooms/connection.py", "rooms/membership.py", "rooms/inbox.py", "rooms/queues.py",
    "rooms/outbox.py", "rooms/rejoin.py",
    "hub/room.py", "hub/rooms.py", "hub/presence.py", "hub/replay.py", "hub/catchup.py", "hub/recovery.py",
    "log/writer.py", "log/retention.py", "log/moving.py", "log/repair.py", "log/sqlite.py",
)  # fmt: skip

# --- the walk


def walk(root: Path) -> list[Figure]:
    """Trace an event from ``room.emit`` to another client's handler, in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("walk.py"))]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    trace = json.loads(done.stdout)
    places = [f"{number:>3} {path}" for number, path in enumerate(trace["files"], 1)]
    return [Figure("files of the walk", len(places), places), Figure("functions of the walk", trace["functions"])]


# --- the table


def table(columns: dict[str, list[Figure]]) -> str:
    """Return a Markdown table: a line for each figure, a column for each package."""
    names = [figure.name for figure in max(columns.values(), key=len)]
    values = {title: {figure.name: str(figure) for figure in figures} for title, figures in columns.items()}
    rows = [["", *columns, "bounds"]]
    rows += [[name, *(values[title].get(name, "") for title in columns), _range(name)] for name in names]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def download(name: str, folder: Path) -> Path:
    """Fetch and unpack the newest sdist of a distribution; return its package."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name]
    subprocess.run([*pip, "--dest", str(folder), name], check=True)
    (archive,) = folder.glob(f"{name}-*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz") / PEERS[name]


def peers() -> dict[str, list[Figure]]:
    with tempfile.TemporaryDirectory() as folder:
        return {name: measure(download(name, Path(folder))) for name in PEERS}


def _range(name: str) -> str:
    return " to ".join(f"{bound:g}" for bound in BOUNDS.get(name, ()))


def within(figure: Figure) -> bool:
    """Whether a figure keeps its bounds."""
    low, high = BOUNDS.get(figure.name, (figure.value, figure.value))
    return low <= figure.value <= high


def check(figures: list[Figure]) -> int:
    """Print what is out of bounds, with its places; return the exit status."""
    wrong = [figure for figure in figures if not within(figure)]
    for figure in wrong:
        print(f"{figure.name}: {figure}, and it should be {_range(figure.name)}", file=sys.stderr)
        print(*(f"    {place}" for place in figure.places), sep="\n", file=sys.stderr)
    return 1 if wrong else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure how the source reads.")
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout of the project")
    parser.add_argument("--check", action="store_true", help="fail if a figure is out of its bounds")
    parser.add_argument("--peers", action="store_true", help="measure packages from PyPI beside it (network)")
    parser.add_argument("--list", metavar="WORD", help="print the places of the figures with this word in their name")
    options = parser.parse_args(arguments)
    machines = comments_in(read(options.root / PACKAGE), STATE_MACHINES)
    figures = [*measure(options.root / PACKAGE), machines, *walk(options.root)]
    if options.check:
        return check(figures)
    if options.list is not None:
        for figure in figures:
            if options.list in figure.name and figure.places:
                print(f"{figure.name}: {figure}", *figure.places, sep="\n    ")
        return 0
    print(table({PACKAGE: figures} | (peers() if options.peers else {})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
