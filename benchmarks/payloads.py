"""Tables and arrays from one process to another through a hub, beside pickle in base64 and JSON.

    python benchmarks/payloads.py [--repeat 7] [--only table,array]

The hub is a process with its log in memory, whose messages may have 64 MB. One process emits, another one handles: the
time is from the call of `emit` until the handler has the decoded value. Encoding and decoding are timed apart, without
a hub. The ratio is that of pickle in base64 to the payload, from medians of runs that take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import jupyter_rtmsg as rt
from jupyter_rtmsg.hub import Hub, Limits
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.payloads import decode
from jupyter_rtmsg.payloads.lazy import dump_payload
from jupyter_rtmsg.server import Server
from jupyter_rtmsg.wire.data import parse, reconstruct

HERE = Path(__file__).resolve().parent
LARGEST = 64 * 1024 * 1024
_JSON_TURNS = 2  # it takes seconds


class Way(NamedTuple):
    """A way to send a value: what is emitted, and what the handler makes of it."""

    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]


WAYS = {
    "payload": Way(lambda value: value, lambda data: data),
    "pickle+base64": Way(
        lambda value: base64.b64encode(pickle.dumps(value)).decode(), lambda data: pickle.loads(base64.b64decode(data))
    ),
}
JSON = {
    "table": Way(lambda frame: frame.to_dict("list"), pd.DataFrame),
    "array": Way(lambda array: array.tolist(), np.array),
}


def values() -> dict[str, Any]:
    """Return what is sent."""
    draw = np.random.default_rng(1)
    rows = 100_000
    table = pd.DataFrame(
        {"step": np.arange(rows), "loss": draw.random(rows), "acc": draw.random(rows), "lr": draw.random(rows)}
    )
    table_of_text = table.assign(lr=[f"run-{number % 97}" for number in range(rows)])
    return {"table": table, "table with text": table_of_text, "array": draw.random(10_000_000 // 8)}


async def serve() -> None:
    """Run a hub; prints its port."""
    io = Server(max_payload=LARGEST)
    await Hub(io, await open_log("memory:"), limits=Limits(message=LARGEST)).start()
    print(await io.listen(0), flush=True)
    await asyncio.Event().wait()


def receive(port: int) -> None:
    """Handle events, and print the seconds since each was emitted."""
    with rt.Client(f"http://127.0.0.1:{port}/", "x") as hub:
        room = hub.join("lab")
        ways = {**WAYS, **{f"JSON {kind}": way for kind, way in JSON.items()}}

        @room.on(None)
        def show(event: rt.Event) -> None:
            data = event.data
            ways[event.name].unpack(data["value"])
            print(time.monotonic() - data["at"], flush=True)

        print("ready", flush=True)
        sys.stdin.read()


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a part of this file in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, __file__, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def apart(way: Way, value: Any, repeat: int) -> tuple[float, float, int]:
    """Return the seconds of encoding and of decoding, and the bytes of the message."""
    encoding, decoding, size = [], [], 0
    for _ in range(repeat):
        start = time.perf_counter()
        json, attachments = dump_payload(way.pack(value), max_depth=60)
        encoding.append(time.perf_counter() - start)
        size = len(json) + sum(map(len, attachments))
        start = time.perf_counter()
        way.unpack(decode(reconstruct(parse(json), attachments)))
        decoding.append(time.perf_counter() - start)
    return statistics.median(encoding), statistics.median(decoding), size


def measure(name: str, value: Any, room: rt.Room, receiver: subprocess.Popen[str], repeat: int) -> None:
    """Print the figures of one value."""
    kind = "table" if isinstance(value, pd.DataFrame) else "array"
    ways = {**WAYS, f"JSON {kind}": JSON[kind]}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(repeat + 1):
        for way, (pack, _) in ways.items():
            if way.startswith("JSON") and turn > _JSON_TURNS:
                continue
            room.emit(way, {"at": time.monotonic(), "value": pack(value)}, volatile=True, timeout=60)
            seconds = float(line(receiver))
            if turn:  # the first one imports libraries
                times[way].append(seconds)
    size = int(value.memory_usage(index=False).sum()) if kind == "table" else value.nbytes
    base = statistics.median(times["payload"])
    for way in ways:
        encoding, decoding, sent = apart(ways[way], value, 2 if way.startswith("JSON") else repeat)
        middle = statistics.median(times[way])
        speed = f"{size / middle / 1e6:6.0f} MB/s  ratio {middle / base:5.2f}"
        spread = f"({min(times[way]) * 1e3:.1f}-{max(times[way]) * 1e3:.1f})"
        parts = f"encode {encoding * 1e3:7.1f} ms  decode {decoding * 1e3:7.1f} ms"
        print(
            f"{name:16} {way:14} {sent / 1e6:6.1f} MB  {parts}  end to end {middle * 1e3:7.1f} ms {spread}  {speed}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--only", default="", help="names of what is sent, with commas")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--receive", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    if options.receive:
        receive(options.receive)
        return
    chosen = {name: value for name, value in values().items() if not options.only or name in options.only.split(",")}
    with child("--serve") as hub:
        port = int(line(hub))
        with child("--receive", str(port)) as receiver, rt.Client(f"http://127.0.0.1:{port}/", "x") as client:
            line(receiver)
            room = client.join("lab")
            for name, value in chosen.items():
                measure(name, value, room, receiver, options.repeat)


if __name__ == "__main__":
    main()
