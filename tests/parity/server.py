"""Our Socket.IO server under test: the counterpart of server.js, with the same control connection."""

from __future__ import annotations

import asyncio
import base64
import importlib
import inspect
import json
import logging
import re
import sys
from collections.abc import Callable
from typing import Any

from jupyter_rtmsg.server import Server

# Node's options, and ours with what their values are divided by: times are in milliseconds there.
OPTIONS = {
    "pingInterval": ("ping_interval", 1000),
    "pingTimeout": ("ping_timeout", 1000),
    "connectTimeout": ("connect_timeout", 1000),
    "upgradeTimeout": ("upgrade_timeout", 1000),
    "maxHttpBufferSize": ("max_payload", None),
    "transports": ("transports", None),
    "allowUpgrades": ("allow_upgrades", None),
    "serveClient": ("serve_client", None),
    "cleanupEmptyChildNamespaces": ("cleanup_empty_child_namespaces", None),
    "perMessageDeflate": ("per_message_deflate", None),
}


def translated(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `Server` for those of Node's."""
    ours: dict[str, Any] = {}
    for name, value in options.items():
        if name == "cors":
            ours["origins"] = value["origin"]
        elif name == "connectionStateRecovery":
            ours["recovery"] = True
        elif name in OPTIONS:
            own, divisor = OPTIONS[name]
            ours[own] = value / divisor if divisor else value
    return ours


class Run:
    """One server for one behaviour."""

    def __init__(self, number: int, area: str, stage: str, options: dict[str, Any]) -> None:
        self.number = number
        self.log: list[Any] = []
        self._waiting: tuple[asyncio.Event, ...] = ()
        self.commands: dict[str, Callable[..., Any]] = {"end": self._end}
        self.path = options.get("path", "/socket.io/")
        self.port = 0
        stages = importlib.import_module(f"areas.{area}")
        self.io = Server(**{**getattr(stages, "SETTINGS", {}).get(stage, {}), **translated(options)})
        self.echo("/")
        getattr(stages, stage)(self.io, self)

    def _end(self) -> None:
        for namespace in self.io.namespaces:
            namespace.emit("end")

    def echo(self, name: str) -> None:
        """Give clients of a namespace their "end" back."""

        @self.io.of(name).on("connection")
        def connected(socket: Any) -> None:
            @socket.on("end")
            def end() -> None:
                self.note("end")
                socket.emit("end")

    async def listen(self) -> int:
        self.port = await self.io.listen(0, "127.0.0.1", self.path)
        return self.port

    def note(self, *values: Any) -> None:
        self.log.append(values[0] if len(values) == 1 else list(values))
        for wake in list(self._waiting):
            wake.set()

    async def notes(self, last: list[str]) -> list[Any]:
        wake = asyncio.Event()
        self._waiting = (*self._waiting, wake)
        while not any((note[0] if isinstance(note, list) and note else note) in last for note in self.log):
            wake.clear()
            await wake.wait()
        return self.log

    def command(self, function: Any) -> Any:
        """Offer a function to the driver under its name."""
        self.commands[function.__name__] = function
        return function


runs: dict[int, Run] = {}


async def start(run: int, area: str, stage: str, options: dict[str, Any]) -> int:
    runs[run] = Run(run, area, stage, options)
    return await runs[run].listen()


async def turn() -> None:
    await asyncio.sleep(0)


async def call(run: int, name: str, args: list[Any]) -> Any:
    result = runs[run].commands[name](*args)
    return await result if inspect.isawaitable(result) else result


async def notes(run: int, last: list[str]) -> list[Any]:
    return await runs[run].notes(last)


async def stop(run: int) -> None:
    await runs.pop(run).io.close()


class Uncaught(logging.Handler):
    """Notes an error that was logged with the run that its text names; stages expect others, too."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        named = re.search(r"run (\d+)", str(error))
        if named and int(named[1]) in runs:
            runs[int(named[1])].note("logged")


def seal(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, (set, frozenset)):
        return sorted(seal(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [seal(item) for item in value]
    if isinstance(value, dict):
        return {str(key): seal(item) for key, item in value.items()}
    return value


def unseal(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["$bytes"]) if value.keys() == {"$bytes"} else value


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def answer(line: bytes) -> None:
        request = json.loads(line, object_hook=unseal)
        id, operation = request.pop("id"), request.pop("operation")
        try:
            said = {"value": await globals()[operation](**request)}
        except Exception as error:
            logging.getLogger().debug("failed", exc_info=True)
            said = {"error": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps({"id": id, **seal(said)}).encode() + b"\n")

    tasks = set()
    async for line in reader:
        task = asyncio.ensure_future(answer(line))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    writer.close()


async def main() -> None:
    logging.getLogger("jupyter_rtmsg").addHandler(Uncaught())
    logging.getLogger("jupyter_rtmsg").propagate = False
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    control = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
    print(control.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until nobody is left to talk to


if __name__ == "__main__":
    asyncio.run(main())
