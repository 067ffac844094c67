"""How long an event takes from one kernel's emit to another kernel's handler, through the log of a real Jupyter server.

    python benchmarks/latency.py [events]

Both kernels run on this machine, so their monotonic clocks are one. Events are emitted one at a time, each when the one
before is on disk, with a pause in between as a notebook's own work makes it. Beside it stand the acknowledgement (emit
until it returns: stored) and a flush of this disk, without which no durable event can be acknowledged.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.jupyter import JupyterServer, wait_until

JOIN = """
import json, time
import jupyter_rtmsg as rt
lab = rt.connect().join("latency")
heard, stored = [], []
"""
LISTEN = """
@lab.on("tick")
def note(event): heard.append(time.monotonic_ns() - event.data)
"""
EMIT = """
for _ in range({events}):
    started = time.monotonic_ns()
    lab.emit("tick", started)
    stored.append(time.monotonic_ns() - started)
    time.sleep(0.005)
"""


def milliseconds(nanoseconds: Sequence[int]) -> str:
    """Return the percentiles in words."""
    cuts = statistics.quantiles([value / 1e6 for value in nanoseconds], n=100)
    return f"p50 {cuts[49]:6.2f} ms   p90 {cuts[89]:6.2f} ms   p99 {cuts[98]:6.2f} ms"


def flushes(folder: Path, count: int = 200) -> list[int]:
    """Time flushes of small appends to a file: what the disk itself takes."""
    taken = []
    with (folder / "flush").open("wb", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            started = time.monotonic_ns()
            os.fsync(file.fileno())
            taken.append(time.monotonic_ns() - started)
    return taken


def measure(events: int) -> dict[str, list[int]]:
    """Return nanoseconds from emit to handler, from emit to its return, and of flushes."""
    with tempfile.TemporaryDirectory() as folder, JupyterServer(Path(folder)) as server:
        one, other = server.start_kernel("one.ipynb"), server.start_kernel("other.ipynb")
        for kernel in (one, other):
            server.execute(kernel, JOIN)
        server.execute(other, LISTEN)
        server.execute(one, EMIT.format(events=20))  # warm
        wait_until(lambda: int(server.execute(other, "print(len(heard))").text) == 20, "it is warm")
        server.execute(one, EMIT.format(events=events), timeout=600)
        wait_until(lambda: int(server.execute(other, "print(len(heard))").text) == events + 20, "everything arrived")
        heard = json.loads(server.execute(other, "print(json.dumps(heard[20:]))").text)
        stored = json.loads(server.execute(one, "print(json.dumps(stored[20:]))").text)
        return {"emit -> handler": heard, "emit -> stored": stored, "flush of the disk": flushes(Path(folder))}


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    load = os.getloadavg()[0]
    print(f"{events} events, Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f} at the start")
    for what, taken in measure(events).items():
        print(f"{what:<18} {milliseconds(taken)}")


if __name__ == "__main__":
    main()
