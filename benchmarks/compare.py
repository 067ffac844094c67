"""Measure Socket.IO servers side by side in one run, each workload against each server in turn.

    python benchmarks/compare.py [--only fan8,ack1] [--repeat 3] [--secs 3] [--json OUT] [--plot PICTURE] [SERVER ...]
    python benchmarks/compare.py --quick           Node, Bun and ours, one second each: a minute

Servers are ours, ours+volatile (the hub's publish with "volatile": true), ours+hub (stored events, over a SQLite
log), ours+memory+hub (over a log in memory), ours@uvloop and ours+hub@uvloop, node, bun (Socket.IO on Bun's own
engine), socketio-tornado, socketio-asgi (uvicorn) and ceiling; those that lack something are left out with a word.
Each has processor 0 to itself and the load generator (sioload.c, built with gcc at the first use) processor 1.
Figures are medians over the repeats; ratios are multiples of Node's, or of the first server's where Node is not among
them. Beside Node, the last table tells the floor that ours must not be below, and where it is. In the ack workloads a
hub acknowledges a publish to a room that nobody is in, stored or not, and the others an event that they answer with
"ok".
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any, NamedTuple

import plot
import table
from serving import free_port, resident, wait_for

HERE = pathlib.Path(__file__).resolve().parent
MODULES = HERE.parent / "tests" / "interop" / "node_modules"
BUN = HERE / "peers" / "node_modules" / ".bin" / "bun"
APP = f"{sys.executable} {HERE}/app.py PORT"
SERVERS = {
    "node": f"node {HERE}/peers/node.js PORT",
    "bun": f"{BUN} {HERE}/peers/bun.js PORT",
    "ours": APP,
    "ours+volatile": f"{APP} sqlite",
    "ours+hub": f"{APP} sqlite",
    "ours+memory+hub": f"{APP} memory:",
    "ours@uvloop": f"{APP} --uvloop",
    "ours+hub@uvloop": f"{APP} sqlite --uvloop",
    "socketio-tornado": f"{sys.executable} {HERE}/peers/socketio_tornado.py PORT",
    "socketio-asgi": f"{sys.executable} {HERE}/peers/socketio_asgi.py PORT",
    "ceiling": f"{sys.executable} {HERE}/peers/ceiling.py PORT",
}
RARE = ("ours+memory+hub", "ours@uvloop", "ours+hub@uvloop")
USUAL = [name for name in SERVERS if name not in RARE]
NEEDS = {
    "ours@uvloop": ["uvloop"],
    "ours+hub@uvloop": ["uvloop"],
    "socketio-tornado": ["socketio"],
    "socketio-asgi": ["socketio", "uvicorn", "uvloop"],
}
ENVIRONMENT = {**os.environ, "NODE_PATH": str(MODULES), "PYTHONPATH": str(HERE.parent)}
SMALLER = ("p99_us", "rss_kb_per_conn")  # figures of which less is better
ACK = ["--mode", "ack", "--n", "1"]
OPEN = ["--n", "200", "--rate", "50"]
IDLE = ["--n", "5000", "--rate", "1", "--secs", "2"]


class Workload(NamedTuple):
    """A workload: what it is, the arguments of sioload, the figure compared, and its floor as a multiple of Node's."""

    title: str
    load: list[str]
    figure: str
    floor: float


WORKLOADS = {
    "fan1": Workload("500 members, one event in flight", ["--n", "500", "--window", "1"], "delivered_per_s", 1.25),
    "fan8": Workload("500 members, 8 events in flight", ["--n", "500", "--window", "8"], "delivered_per_s", 5.5),
    "fan32": Workload("500 members, 32 events in flight", ["--n", "500", "--window", "32"], "delivered_per_s", 16),
    "many": Workload(
        "200 members, 50 publishers", ["--n", "200", "--pubs", "50", "--window", "1"], "delivered_per_s", 25
    ),
    "open": Workload("200 members, 50 events a second", OPEN, "p99_us", 1.0),
    "ack1": Workload("one request at a time", [*ACK, "--pubs", "1", "--window", "1"], "acks_per_s", 0.9),
    "ack20": Workload("20 clients, one request each", [*ACK, "--pubs", "20", "--window", "1"], "acks_per_s", 0.9),
    "ack256": Workload("4 clients, 64 requests each", [*ACK, "--pubs", "4", "--window", "64"], "acks_per_s", 2.0),
    "idle": Workload("5,000 connections", IDLE, "rss_kb_per_conn", 0.5),
}
QUICK = {"servers": ["node", "bun", "ours"], "only": ",".join(list(WORKLOADS)[:-1]), "repeat": 1, "secs": 1}


def load_generator() -> str:
    out = pathlib.Path(tempfile.gettempdir()) / f"sioload-{os.getuid()}-{int((HERE / 'sioload.c').stat().st_mtime)}"
    if not out.exists():
        subprocess.run(["gcc", "-O2", "-o", out, HERE / "sioload.c"], check=True)
    return str(out)


def tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-400:]


def events(name: str, acknowledged: bool) -> list[str]:
    """Return the arguments of sioload that say how one joins and publishes on a server."""
    if "+" not in name:
        return ["--pub", '["echo","%s"]'] if acknowledged else []
    volatile = ',"volatile":true' if name == "ours+volatile" else ""
    publish = f'["publish",{{"room":"bench","event":"msg","data":"%s","id":"%i"{volatile}}}]'
    join = "" if acknowledged else '["join",{"room":"bench"}]'
    return ["--waitjoin", "1", "--join", join, "--pub", publish]


def measure(name: str, args: Sequence[str], secs: int) -> dict[str, Any]:
    """Run a server and one workload against it; return the figures."""
    port = free_port()
    command = ["taskset", "-c", "0", *shlex.split(SERVERS[name].replace("PORT", str(port)))]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=ENVIRONMENT)
        try:
            wait_for(server, port)
            load = ["--port", str(port), "--pid", str(server.pid), "--secs", str(secs), *args]
            done = subprocess.run(
                ["taskset", "-c", "1", load_generator(), *load, *events(name, "ack" in args)],
                capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            if done.returncode:
                return {"error": done.stderr[-300:] + " | server: " + tail(log)}
            return {**json.loads(done.stdout), "rss_mb": resident(server.pid)}
        except (RuntimeError, TimeoutError) as error:
            return {"error": f"{error}: {tail(log)}"}
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
                server.wait(20)


def starts(program: pathlib.Path) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def missing(name: str) -> str | None:
    """Return what a server lacks, if it lacks anything."""
    if name == "node" and not (MODULES.exists() and shutil.which("node")):
        return "Node.js, or tests/interop/node_modules (made by `make test`)"
    if name == "bun" and not starts(BUN):
        return "a Bun that starts here, in benchmarks/peers/node_modules (made by `make bench`)"
    return next((module for module in NEEDS.get(name, []) if importlib.util.find_spec(module) is None), None)


def present(names: Sequence[str]) -> list[str]:
    """Return the servers that can run here, and say which cannot."""
    for name in names:
        if lack := missing(name):
            print(f"{name}: left out, it needs {lack}")
    return [name for name in names if not missing(name)]


def run(names: Sequence[str], load: Sequence[str], repeat: int, secs: int) -> dict[str, table.Cell]:
    """Return the medians of each server's runs; the servers take turns, since a machine's moods last."""
    results: dict[str, list[table.Cell]] = {name: [] for name in names}
    for _ in range(repeat):
        for name in names:
            results[name].append(measure(name, load, secs))
    return {name: table.median(cells) for name, cells in results.items()}


def conditions(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "at": time.strftime("%Y-%m-%d %H:%M"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "seconds": options.secs,
        "repeats": options.repeat,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", metavar="SERVER", default=USUAL)
    parser.add_argument("--only", default=",".join(WORKLOADS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--secs", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path, metavar="OUT", help="write the figures to this file")
    parser.add_argument("--plot", type=pathlib.Path, metavar="PICTURE", help="draw them: PNG or SVG, needs matplotlib")
    if "--quick" in sys.argv:
        parser.set_defaults(**QUICK)
    parser.add_argument("--quick", action="store_true", help="what is not given otherwise is as small as is of use")
    options = parser.parse_args()
    if unknown := {*options.servers} - {*SERVERS} | {*options.only.split(",")} - {*WORKLOADS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join([*SERVERS, *WORKLOADS])}")
    return options


def main() -> None:
    options = arguments()
    told = conditions(options)
    print(", ".join(f"{key} {value}" for key, value in told.items()))
    names = present(options.servers)
    results: dict[str, dict[str, table.Cell]] = {}
    works = options.only.split(",")
    figures = {work: WORKLOADS[work].figure for work in works}
    for work, figure in figures.items():
        results[work] = run(names, WORKLOADS[work].load, options.repeat, options.secs)
        title = f"\n{work}: {WORKLOADS[work].title}"
        print(table.workload(title, figure, results[work], table.reference(names)), flush=True)
    print("\n" + table.summary(results, names, lambda _: "server_us_per_op", "the server's CPU time per operation"))
    floors = {work: table.Floor(WORKLOADS[work].floor, figure in SMALLER) for work, figure in figures.items()}
    print("\n" + table.summary(results, names, figures.__getitem__, "figures (open: p99, idle: memory)", floors))
    everything = {"conditions": told, "figures": figures, "table": results}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(everything, indent=1) + "\n")
    if options.plot:
        plot.draw(everything, options.plot)


if __name__ == "__main__":
    main()
