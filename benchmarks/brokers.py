"""The queues that queues.py compares: each a server that runs as long as a block, and a way to publish to it.

What is yielded publishes an event with an id, and returns when the event is stored.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from app import ALL
from pipeline import Handfuls, connect, stored
from serving import free_port, wait_for

from jupyter_rtmsg.log import Draft, open_log

HERE = Path(__file__).resolve().parent
TEXT = "x" * 198
DATA = f'"{TEXT}"'
ONCE = """
if redis.call('SET', KEYS[2], 1, 'NX', 'EX', 3600) then return redis.call('XADD', KEYS[1], '*', 'data', ARGV[1]) end
return false
"""

Publish = Callable[[str], Awaitable[object]]


@asynccontextmanager
async def process(command: Sequence[str], port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; wait until it listens."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    server = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs yet
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    try:
        await asyncio.to_thread(wait_for, server, port)
        yield server
    finally:
        server.terminate()
        server.wait(20)


@asynccontextmanager
async def log(folder: Path) -> AsyncIterator[Publish]:
    events = await open_log(f"sqlite:///{folder}/log.sqlite3", **ALL)
    data = DATA.encode()
    yield lambda name: events.append(Draft("bench", "tick", data, client="bench", id=name, auto=True))
    await events.close()


@asynccontextmanager
async def hub(folder: Path) -> AsyncIterator[Publish]:
    port = free_port()
    command = [sys.executable, str(HERE / "app.py"), str(port), f"sqlite:///{folder}/hub.sqlite3"]
    async with process(command, port):
        connection = await connect(port)

        async def publish(name: str) -> int:
            body = f'{{"room":"bench","event":"tick","data":{DATA},"id":"{name}","auto":true}}'
            return stored(await connection.command("publish", body))

        yield publish
        connection.transport.close()


def accepted(reply: Any) -> Any:
    """Return what Redis answered; RuntimeError if it refused, or had the id already."""
    if reply is None or isinstance(reply, Exception):
        raise RuntimeError(f"Redis answered {reply!r}")
    return reply


class Batches:
    """A client of Redis that sends what has gathered with a pipeline of redis-py, and gathers while that runs."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    async def command(self, *words: Any) -> Any:
        """Return the answer; RuntimeError if Redis refused, or had the id already."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((words, answer))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send())
        return accepted(await answer)

    async def close(self) -> None:
        await self._client.aclose()

    async def _send(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            pipeline = self._client.pipeline(transaction=False)
            for words, _ in batch:
                pipeline.execute_command(*words)
            replies = await pipeline.execute(raise_on_error=False)
            for (_, answer), reply in zip(batch, replies, strict=True):
                answer.set_result(reply)
        self._task = None


class Pipeline:
    """One connection to Redis with many commands in flight, each answered as it comes: redis-py has nothing like it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._out = Handfuls(connection._writer.write)
        self._task = asyncio.get_running_loop().create_task(self._read())

    async def command(self, *words: Any) -> Any:
        """Return the answer; RuntimeError if Redis refused, or had the id already."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._out.put(b"".join(self._connection.pack_command(*words)))
        return accepted(await answer)

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._connection.disconnect()

    async def _read(self) -> None:
        while True:
            try:
                reply = await self._connection.read_response()
            except Exception as error:  # a refusal; if the connection is lost, the next one ends this task
                reply = error
            self._waiting.popleft().set_result(reply)


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[int]:
    """Run Redis until the block ends; yield its port."""
    port = free_port()
    settings = {"port": port, "bind": "127.0.0.1", "dir": folder, "appendonly": "yes", "appendfsync": "always"}
    settings["auto-aof-rewrite-percentage"] = 0  # no rewrite of the file in the middle of a run
    command = ["redis-server", *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]
    async with process([*command, "--save", ""], port):
        yield port


@asynccontextmanager
async def redis_py(folder: Path) -> AsyncIterator[Publish]:
    from redis.asyncio import Redis

    async with redis_server(folder) as port:
        batches = Batches(Redis(port=port))
        script = await batches.command("SCRIPT", "LOAD", ONCE)
        yield lambda name: batches.command("EVALSHA", script, 2, "bench", "id:" + name, TEXT)
        await batches.close()


@asynccontextmanager
async def redis(folder: Path) -> AsyncIterator[Publish]:
    from redis.asyncio.connection import Connection

    async with redis_server(folder) as port:
        connection = Connection(host="127.0.0.1", port=port, socket_timeout=None)
        await connection.connect()
        pipeline = Pipeline(connection)
        script = await pipeline.command("SCRIPT", "LOAD", ONCE)
        yield lambda name: pipeline.command("EVALSHA", script, 2, "bench", "id:" + name, TEXT)
        await pipeline.close()


@asynccontextmanager
async def nats(folder: Path) -> AsyncIterator[Publish]:
    import nats as client

    port = free_port()
    settings = folder / "nats.conf"
    storage = f'jetstream {{ store_dir: "{folder}", sync_interval: always }}'
    settings.write_text(f"listen: 127.0.0.1:{port}\n{storage}\n")
    async with process(["nats-server", "-c", str(settings)], port):
        connection = await client.connect(f"nats://127.0.0.1:{port}")
        stream = connection.jetstream(timeout=60)
        await stream.add_stream(name="bench", subjects=["bench"])
        data = TEXT.encode()
        yield lambda name: stream.publish("bench", data, headers={"Nats-Msg-Id": name})
        await connection.close()


QUEUES: dict[str, Callable[[Path], AbstractAsyncContextManager[Publish]]] = {
    "log": log,
    "hub": hub,
    "redis-py": redis_py,
    "redis": redis,
    "nats": nats,
}
NEEDS = {"redis": ("redis", "redis-server"), "redis-py": ("redis", "redis-server"), "nats": ("nats", "nats-server")}


def missing(name: str) -> str | None:
    """Return what a queue lacks here, if it lacks anything."""
    module, program = NEEDS.get(name, ("json", "true"))
    if importlib.util.find_spec(module) is None:
        return f"the Python client {module}"
    return None if shutil.which(program) else f"the program {program}"
