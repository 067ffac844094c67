"""Helpers for tests of the event log: logs that are opened again and again, events, readers, and changes of files."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from jupyter_rtmsg.log import Draft, EventLog, Record, open_log
from jupyter_rtmsg.log.crc import event_crc
from jupyter_rtmsg.logthrottle import LogThrottle

DEADLINE = 30.0  # seconds

Opener = Callable[..., Awaitable[EventLog]]
"""Opens a log with the given options."""


def unthrottle_logs() -> None:
    """Log every message from now on, also one like those that were logged before."""
    for logger in logging.Logger.manager.loggerDict.values():
        for throttle in getattr(logger, "filters", ()):
            if isinstance(throttle, LogThrottle):
                throttle.clear()


class Clock:
    """A clock that is set by hand (seconds since 1970)."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def draft(i: int = 0, room: str = "lab", name: str = "tick", **rest: Any) -> Draft:
    """Make a draft whose data is a number. With a client, its id counts as made up by the client."""
    rest.setdefault("auto", "client" in rest)
    return Draft(room, name, b"%d" % i, **rest)


def bare_event(connection: sqlite3.Connection, seq: int, ts: int) -> None:
    """Insert a row without data into table ``event`` of an open file, for a test of times."""
    crc = event_crc(seq, 0, ts, 0, "", "x", "", None, b"", b"")
    row = "INSERT INTO event VALUES(?, 1, 0, ?, 'x', x'', 0, x'', '', NULL, 0, ?, 0, 0, NULL)"
    connection.execute(row, (seq, ts, crc))


async def fill(log: EventLog, count: int, room: str = "lab", **rest: Any) -> list[int]:
    """Append ``count`` events, and return their seqs once they are stored."""
    return [each.seq for each in await asyncio.gather(*(log.append(draft(i, room, **rest)) for i in range(count)))]


async def follow(log: EventLog, after: int, count: int) -> list[Record]:
    """Follow the log until ``count`` events came."""
    records: list[Record] = []

    async def take() -> None:
        async with aclosing(log.follow(after=after)) as batches:
            async for batch in batches:
                records.extend(batch)
                if len(records) >= count:
                    return

    await asyncio.wait_for(take(), DEADLINE)
    return records


async def read_all(log: EventLog, room: str = "lab", **rest: Any) -> list[Record]:
    """Read page after page to the end of a room."""
    records: list[Record] = []
    after = rest.pop("after", 0)
    while True:
        page = await log.read(room, after=after, **rest)
        records += page.records
        after = page.through
        if not page.more:
            return records


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for a condition; fail after `DEADLINE`."""
    end = time.monotonic() + DEADLINE
    while True:
        holds = condition()
        if await holds if inspect.isawaitable(holds) else holds:
            return
        assert time.monotonic() < end, "the condition did not come to hold in time"
        await asyncio.sleep(0.005)


def seqs(records: Sequence[Record]) -> list[int | None]:
    """Return the positions of events."""
    return [record.seq for record in records]


@asynccontextmanager
async def opener(path: Path) -> AsyncIterator[Opener]:
    """Yield a function that opens the log in a file, without ballast by default; close its logs at the end."""
    logs: list[EventLog] = []

    async def open_(**options: Any) -> EventLog:
        logs.append(await open_log(f"sqlite:///{path}", **{"ballast": 0, **options}))
        return logs[-1]

    yield open_
    for log in logs:
        await log.close()


def sql(path: Path, statement: str, *values: Any) -> list[Any]:
    """Run a statement on a log's file, without the log, and return its rows."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()
