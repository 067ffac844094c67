"""Measure Socket.IO servers side by side in one run, each workload against each server in turn.

    python benchmarks/compare.py [--only fan8,ack1] [--repeat 3] [--json OUT] [SERVER ...]

Servers are ours, ours+hub (its commands, over a SQLite log), ours+memory+hub (over a log in memory), node,
socketio-tornado, socketio-asgi and ceiling; those that lack something are left out with a word. Each has processor 0 to
itself and the load generator (sioload.c, built with gcc at the first use) processor 1. Figures are medians over the
repeats; the last tables give each throughput, and the CPU time for each operation, as multiples of the first server's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import random
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

Cell = dict[str, Any]
HERE = pathlib.Path(__file__).resolve().parent
MODULES = HERE.parent / "tests" / "interop" / "node_modules"
APP = f"{sys.executable} {HERE}/app.py PORT"
SERVERS = {
    "ours": APP,
    "ours+hub": f"{APP} sqlite",
    "ours+memory+hub": f"{APP} memory:",
    "node": f"node {HERE}/peers/node.js PORT",
    "socketio-tornado": f"{sys.executable} {HERE}/peers/socketio_tornado.py PORT",
    "socketio-asgi": f"{sys.executable} {HERE}/peers/socketio_asgi.py PORT",
    "ceiling": f"{sys.executable} {HERE}/peers/ceiling.py PORT",
}
ENVIRONMENT = {**os.environ, "NODE_PATH": str(MODULES), "PYTHONPATH": str(HERE.parent)}
ECHO = ["--pub", '["echo","%s"]']
WORKLOADS = {  # name: (arguments of sioload, the figure compared)
    "fan1": (["--n", "500", "--window", "1"], "delivered_per_s"),
    "fan8": (["--n", "500", "--window", "8"], "delivered_per_s"),
    "fan32": (["--n", "500", "--window", "32"], "delivered_per_s"),
    "many": (["--n", "200", "--pubs", "50", "--window", "1"], "delivered_per_s"),
    "open": (["--n", "200", "--rate", "50"], "p99_us"),
    "ack1": (["--mode", "ack", "--n", "1", "--pubs", "1", "--window", "1", *ECHO], "acks_per_s"),
    "ack20": (["--mode", "ack", "--n", "1", "--pubs", "20", "--window", "1", *ECHO], "acks_per_s"),
    "ack256": (["--mode", "ack", "--n", "1", "--pubs", "4", "--window", "64", *ECHO], "acks_per_s"),
    "idle": (["--n", "5000", "--rate", "1", "--secs", "2"], "rss_kb_per_conn"),
}
HUB = [
    "--waitjoin", "1", "--join", '["join",{"room":"bench"}]',
    "--pub", '["publish",{"room":"bench","event":"msg","data":"%s","id":"%i"}]',
]  # fmt: skip


FIGURES = (
    "delivered_per_s", "acks_per_s", "server_us_per_op", "p50_us", "p99_us", "rss_kb_per_conn", "conn_per_s", "dropped",
    "out_of_order", "error",
)  # fmt: skip


def free_port() -> int:
    while True:
        port = random.randint(20000, 32000)  # below the ephemeral ports: a probe of one of those can connect to itself
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def load_generator() -> str:
    out = pathlib.Path(tempfile.gettempdir()) / f"sioload-{os.getuid()}-{int((HERE / 'sioload.c').stat().st_mtime)}"
    if not out.exists():
        subprocess.run(["gcc", "-O2", "-o", out, HERE / "sioload.c"], check=True)
    return str(out)


def wait_for(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until a server listens; False if it ended instead."""
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        if server.poll() is not None:
            return False
        time.sleep(0.1)
    return False


def tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-400:]


def measure(name: str, args: list[str], secs: int) -> Cell:
    port = free_port()
    command = ["taskset", "-c", "0", *shlex.split(SERVERS[name].replace("PORT", str(port)))]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=ENVIRONMENT)
        try:
            if not wait_for(server, port):
                return {"error": "the server ended: " + tail(log)}
            hub = name.endswith("+hub")
            if hub and "ack" in args:
                args = [a for a in args if a not in ECHO]
            load = [load_generator(), "--port", str(port), "--pid", str(server.pid), "--secs", str(secs), *args]
            done = subprocess.run(
                ["taskset", "-c", "1", *load, *(HUB if hub else [])], capture_output=True, text=True, timeout=120
            )
            if done.returncode:
                return {"error": done.stderr[-300:] + " | server: " + tail(log)}
            cell: Cell = json.loads(done.stdout)
            return cell
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
                server.wait(20)


def missing(name: str) -> str | None:
    """Return what a server lacks, if it lacks anything."""
    if name == "node" and not (MODULES.exists() and shutil.which("node")):
        return "Node.js, or tests/interop/node_modules (made by `make test`)"
    needed = {"socketio-tornado": ["socketio"], "socketio-asgi": ["socketio", "uvicorn", "uvloop"]}.get(name, [])
    return next((module for module in needed if importlib.util.find_spec(module) is None), None)


def run(names: Sequence[str], work: str, repeat: int, secs: int) -> dict[str, Cell]:
    """Return the medians of each server's runs; the servers take turns, since a machine's moods last."""
    results: dict[str, list[Cell]] = {name: [] for name in names}
    for _ in range(repeat):
        for name in names:
            results[name].append(measure(name, list(WORKLOADS[work][0]), secs))
    return {name: median(cells) for name, cells in results.items()}


def median(cells: Sequence[Cell]) -> Cell:
    good = [cell for cell in cells if "error" not in cell]
    return {key: statistics.median(cell[key] for cell in good) for key in good[0]} if good else cells[0]


def ratios(
    table: Mapping[str, Mapping[str, Cell]], names: Sequence[str], key: Callable[[str], str], title: str
) -> None:
    print(f"\n{title} as a multiple of {names[0]}'s")
    print(f"{'':8}" + "".join(f"{name:>18}" for name in names))
    for work, cells in table.items():
        figures = [cells[name].get(key(work)) for name in names]
        row = [f"{a / figures[0]:>18.2f}" if a and figures[0] else f"{'-':>18}" for a in figures]
        print(f"{work:8}" + "".join(row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", metavar="SERVER", default=["node", "ours", "ours+hub", "ceiling"])
    parser.add_argument("--only", default=",".join(WORKLOADS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--secs", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    for name in options.servers:
        if lack := missing(name):
            print(f"{name}: left out, it needs {lack}")
    names = [name for name in options.servers if not missing(name)]
    table: dict[str, dict[str, Cell]] = {}
    for work in options.only.split(","):
        table[work] = run(names, work, options.repeat, options.secs)
        for name, cell in table[work].items():
            print(f"{work:8}{name:18}", json.dumps({k: v for k, v in cell.items() if k in FIGURES}), flush=True)
    ratios(table, names, lambda work: WORKLOADS[work][1], "throughput (idle: memory per connection, open: p99)")
    ratios(table, names, lambda work: "server_us_per_op", "the server's CPU time for each operation")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
