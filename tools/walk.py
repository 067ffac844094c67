"""Print, as JSON, the files that an event passes from ``room.emit`` to the handler of another client.

A hub, and two clients as notebooks have them, run in this process: the hub on a thread with an event loop, each client
on its own threads. A function counts if it is entered, on any thread, between the call of ``emit`` and the start of the
handler, and if that is so for each of several events. The first event is not traced: it passes code that runs once.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import jupyter_rtmsg as rt
from jupyter_rtmsg.hub import Hub
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.server import Server

PACKAGE = Path(rt.__file__).parent
Function = tuple[str, str]
EVENTS = 4
TIMEOUT = 10.0  # seconds
SETTLE = 0.3  # seconds: the work that follows an event is not part of the walk of the next one


class Trace:
    """The functions of the package that are entered while it is on, as (file, name), in the order of first calls."""

    def __init__(self) -> None:
        self.on = False
        self.functions: dict[Function, None] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Be the profile function of a thread: it is called for every call and return."""
        code = frame.f_code
        if self.on and event == "call" and code.co_filename.startswith(str(PACKAGE)):
            path = Path(code.co_filename).relative_to(PACKAGE.parent).as_posix()
            self.functions[path, getattr(code, "co_qualname", f"{code.co_name}:{code.co_firstlineno}")] = None


class HubThread:
    """A hub with a log in memory, on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(TIMEOUT)

    async def _start(self) -> str:
        server = Server()
        server.use(lambda client: setattr(client, "user", "ada"))
        hub = Hub(server, await open_log("memory:"))
        await hub.start()
        return f"http://127.0.0.1:{await server.listen(0)}/"


def trace_emits() -> list[Function]:
    """Emit from one client to another, and return what runs in between every time."""
    trace, arrived = Trace(), threading.Event()
    traced: list[dict[Function, None]] = []

    def handler(_: rt.Event) -> None:
        trace.on = False
        arrived.set()

    threading.setprofile(trace)  # for every thread from now on
    sys.setprofile(trace)
    url = HubThread().url
    with rt.connect(url, "any") as first, rt.connect(url, "any") as second:
        second.join("lab").on("metric", handler)
        room = first.join("lab")
        for number in range(1 + EVENTS):
            time.sleep(SETTLE)
            trace.functions = {}
            arrived.clear()
            trace.on = number > 0
            room.emit("metric", {"loss": 0.12})
            if not arrived.wait(TIMEOUT):
                raise TimeoutError(f"the event was not delivered within {TIMEOUT:g} s")
            traced.append(trace.functions)
    return [function for function in traced[-1] if all(function in functions for functions in traced[1:])]


if __name__ == "__main__":
    found = trace_emits()
    files = list(dict.fromkeys(path for path, _ in found))
    print(json.dumps({"files": files, "functions": len(found)}))
