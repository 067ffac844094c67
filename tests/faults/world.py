"""A hub in a process of its own, publishers, and readers of each kind, for the trials of faults."""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from faults.account import Account, Got, Handled, Reader, Verdict, key_of
from faults.link import Link
from support.faulty_disk import FaultyDisk, build_shim
from support.hub import HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import CommandError, RtmsgError

ROOM = "lab"
PATIENCE = 90.0  # seconds that anything may take on a busy machine
_PASSING = {"busy", "full", "io", "shutdown", "internal", "rate"}  # codes after which the same id is tried again
_CONSUMER = Path(__file__).with_name("consumer.py")
_WORKER = Path(__file__).with_name("worker.py")
GROUP = "work"


class World:
    """All participants of a trial. An async context manager.

    Parameters
    ----------
    folder : Path
        Where the log lies.
    seed : int
        Decides everything that is drawn by lot.
    publishers : int
    limits, log_options : dict
        Of the hub.
    environment : dict
        Of the hub's process.
    faulty_disk : bool
        Whether the hub's disk can be made to fail.

    Attributes
    ----------
    hub : HubServer
    disk : FaultyDisk or None
    link : Link
        All clients but the operator's go through it.
    account : Account
    log : Path
    random : random.Random
    healed : float or None
        When the fault was over; the time until the next acknowledgement is the recovery time.
    """

    def __init__(
        self,
        folder: Path,
        seed: int = 1,
        *,
        publishers: int = 4,
        limits: dict[str, Any] | None = None,
        log_options: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        faulty_disk: bool = False,
        **options: Any,
    ) -> None:
        self.disk = FaultyDisk(build_shim(folder), folder) if faulty_disk else None
        self.log = folder / "log.sqlite3"
        self.random = random.Random(seed)
        self.account = Account()
        self.healed: float | None = None
        self.recovery: float | None = None
        self.consumers: list[Consumer] = []
        self._publishers = publishers
        self._numbers = itertools.count()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._pausing = asyncio.Event()
        self._pausing.set()
        self._stopping = False
        self._publishing = 0
        limits = {"publish_rate": 1e6, "publish_burst": 1e6, **(limits or {})}
        self._clock = folder / "clock"
        self.set_clock(0)
        options = {"ping_interval": 2.0, "ping_timeout": 2.0, "clock": str(self._clock), **options}
        self.hub = HubServer(f"sqlite:///{self.log}", limits=limits, log_options=log_options or {}, **options)
        self._environment = {**(environment or {}), **(self.disk.environment if self.disk else {})}

    # --- beginning and end

    async def __aenter__(self) -> World:
        await self.start()
        self._stack.callback(self.hub.kill)
        self.link = await self._stack.enter_async_context(Link(self.hub.port))
        await self._named(self._reader("named"))
        await self._plain(self._reader("plain"))
        await self._standard(self._reader("recovered"))
        for _ in range(self._publishers):
            self._spawn(self._publish(await self.client()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.link.heal()
        if self.disk:
            self.disk.work()
            self._stack.callback(self.disk.close)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    def _reader(self, name: str) -> Reader:
        reader = Reader(name)
        self.account.readers.append(reader)
        return reader

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(coroutine))

    async def client(self) -> rt.AsyncClient:
        """Return a connected client, which is closed at the end."""
        client = rt.AsyncClient(self.link.url, timeout=PATIENCE)
        self._stack.push_async_callback(self._close, client.close)
        await client.connect()
        return client

    async def _close(self, close: Callable[[], Awaitable[None]]) -> None:
        with suppress(RtmsgError, asyncio.TimeoutError):
            await asyncio.wait_for(close(), 10)

    # --- who reads

    async def _named(self, reader: Reader) -> None:
        """Add a reader with a subscription: the hub keeps its position."""
        room = await (await self.client()).join(ROOM, as_=reader.name)
        room.on("tick", lambda event: reader.take(event.id, event.seq))
        for notice in ("$reset", "$trimmed"):
            room.on(notice, lambda event: reader.told.append(f"{event.name} {event.data.get('reason', '')}"))

    async def _plain(self, reader: Reader) -> None:
        """Add a member without a subscription: it keeps its position itself."""
        room = await (await self.client()).join(ROOM)
        room.on("tick", lambda event: reader.take(event.id, event.seq))
        for notice in ("$reset", "$trimmed"):
            room.on(notice, lambda event: reader.told.append(f"{event.name} {event.data.get('reason', '')}"))

    async def _standard(self, reader: Reader) -> None:
        """Add a plain Socket.IO client: its connection is recovered, or it joins again after its last event."""
        socket = rt.SocketClient(self.link.url, reconnection_delay=0.1, reconnection_delay_max=0.5)
        self._stack.push_async_callback(self._close, socket.disconnect)
        place: dict[str, Any] = {}

        def take(data: Any, meta: dict[str, Any]) -> None:
            if (meta.get("seq") or 0) > place.get("after", 0):
                place["after"] = meta["seq"]
                reader.take(meta.get("id"), meta["seq"])

        async def join() -> None:
            if socket.recovered:
                return
            while socket.connected:
                with suppress(RtmsgError, asyncio.TimeoutError):
                    reply = await socket.emit_with_ack("join", {"room": ROOM, **(place or {"after": 0})})
                    if reply.get("ok"):
                        _go_on(place, reply, reader)
                        return
                await asyncio.sleep(0.1)

        def follow(log: dict[str, Any]) -> None:
            if log.get("epoch") == place.get("epoch"):
                place["opening"] = log["opening"]

        socket.on("tick", take)
        socket.on("$log", follow)
        socket.on("connect", join)
        await socket.connect()

    # --- who publishes

    async def _publish(self, client: rt.AsyncClient) -> None:
        room = await client.join(ROOM)
        while not self._stopping:
            await self._pausing.wait()
            id = f"e{next(self._numbers)}"
            self._publishing += 1
            seq = await self._store(room, id)
            self._publishing -= 1
            if seq is not None:
                self.account.acked[id] = seq
                if self.healed is not None and self.recovery is None:
                    self.recovery = time.perf_counter() - self.healed

    async def _store(self, room: rt.AsyncRoom, id: str) -> int | None:
        """Publish an event, with the same id until it is acknowledged."""
        while True:
            try:
                return await room.emit("tick", {"id": id, "key": key_of(id)}, id=id, timeout=5.0)
            except CommandError as error:
                self.account.refused[id] = error.code
                if error.code not in _PASSING:
                    return None
            except RtmsgError as error:
                self.account.refused[id] = type(error).__name__
            await asyncio.sleep(0.05)

    async def publish_past(self, count: int) -> None:
        """Publish over a connection that does not pass through the link."""
        async with rt.AsyncClient(self.hub.url, timeout=PATIENCE) as client:
            room = await client.join(ROOM)
            for _ in range(count):
                id = f"e{next(self._numbers)}"
                self.account.acked[id] = await room.emit("tick", id, id=id, timeout=PATIENCE)

    # --- what a trial does

    async def flow(self, count: int = 100) -> None:
        """Wait until so many more publishes are acknowledged."""
        wanted = len(self.account.acked) + count
        await until(lambda: len(self.account.acked) >= wanted, "publishes are acknowledged")

    async def hush(self) -> None:
        """Stop publishing until `resume`, and wait until what was under way is acknowledged."""
        self._pausing.clear()
        await until(lambda: not self._publishing, "what was under way is acknowledged")

    async def turn_page(self) -> None:
        """Stop publishing until every reader has everything, and begin a new account: events before are no more."""
        await self.hush()
        await until(lambda: self.account.complete, "every reader has everything")
        self.account.forget()

    def resume(self) -> None:
        """Publish again."""
        self._pausing.set()

    def heal(self) -> None:
        """End the fault."""
        self.healed, self.recovery = time.perf_counter(), None

    async def settle(self) -> None:
        """Stop publishing, and wait until every reader has what was acknowledged."""
        self._stopping = True
        self._pausing.set()
        with suppress(AssertionError):  # the verdict says what is missing
            await until(lambda: self._published() and self.account.complete, "every reader has everything")

    def _published(self) -> bool:
        return all(task.done() for task in self._tasks)

    async def verdict(self) -> Verdict:
        """Wait for all readers, stop the hub, and compare."""
        await self.settle()
        await asyncio.to_thread(self.hub.stop)
        return self.account.verdict(self.log)

    def set_clock(self, seconds: float) -> None:
        """Set the error of the log's wall clock (seconds)."""
        new = self._clock.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._clock)

    # --- faults of processes

    async def start(self) -> None:
        """Start the hub."""
        await asyncio.to_thread(self.hub.start, environment=self._environment)

    async def kill(self) -> None:
        """Kill the hub and start it again."""
        await asyncio.to_thread(self.hub.kill)
        await self.start()

    async def stop(self) -> None:
        """Stop the hub cleanly, and start it again."""
        await asyncio.to_thread(self.hub.stop)
        await self.start()

    async def consume(self, name: str) -> Consumer:
        """Start a reader in a process of its own, as a kernel is."""
        consumer = Consumer(self, self._reader(name))
        self._stack.push_async_callback(consumer.kill)
        self.consumers.append(consumer)
        await consumer.start()
        return consumer

    async def work(self, count: int, **settings: Any) -> list[WorkerProcess]:
        """Start the workers of a group, each in a process of its own."""
        if not self.account.groups:
            self.account.groups.append(Handled(since=max(self.account.acked.values(), default=0)))
        handled = self.account.groups[0]
        workers = [WorkerProcess(self, handled, {**settings, "start": handled.since}) for _ in range(count)]
        for worker in workers:
            self._stack.push_async_callback(worker.kill)
        await asyncio.gather(*(worker.start() for worker in workers))
        return workers

    async def handled(self, count: int) -> None:
        """Wait until a number of further events were handled by the group."""
        group = self.account.groups[0]
        wanted = len(group.ended) + count
        await until(lambda: len(group.ended) >= wanted, "events are handled")


class WorkerProcess:
    """A worker in a process of its own, which prints the events that it begins and ends."""

    def __init__(self, world: World, handled: Handled, settings: dict[str, Any]) -> None:
        self._world = world
        self._handled = handled
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and wait until it works."""
        arguments = [sys.executable, str(_WORKER), self._world.link.url, ROOM, GROUP, repr(self._settings)]
        self._process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout
        assert await self._process.stdout.readline() == b"ready\n"
        self._reading = asyncio.get_running_loop().create_task(self._read(self._process.stdout))

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            what, id, seq = line.split()
            calls = self._handled.begun if what == b"begin" else self._handled.ended
            calls.append(Got(id.decode(), int(seq)))

    async def revive(self) -> None:
        """Start it again if its process has ended."""
        if self._process and self._process.returncode is not None:
            await self.kill()
            await self.start()

    async def kill(self) -> None:
        """Kill it; what it has not settled goes to others when the grace time is over."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reading:
            await self._reading


class Consumer:
    """A reader with a subscription in a process of its own, which prints the events it handles."""

    def __init__(self, world: World, reader: Reader) -> None:
        self._world = world
        self._reader = reader
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and wait until it has joined."""
        arguments = [sys.executable, str(_CONSUMER), self._world.link.url, ROOM, self._reader.name]
        self._process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout
        head = int(await self._process.stdout.readline())
        self._reader.since = self._reader.since or head
        self._reading = asyncio.get_running_loop().create_task(self._read(self._process.stdout))

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            id, seq = line.split()
            self._reader.take(id.decode(), int(seq))

    async def kill(self) -> None:
        """Kill it; what it has handled and not acknowledged comes again."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reading:
            await self._reading


def _go_on(place: dict[str, Any], reply: dict[str, Any], reader: Reader) -> None:
    """Update the position of a reader from the reply to a join."""
    if place and reply.get("reason"):
        reader.told.append(reply["reason"])
        place["after"] = reply["cursor"]
    place.setdefault("after", reply["cursor"])
    place.update({key: reply[key] for key in ("epoch", "opening") if key in reply})


async def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)
