"""What tests of the event log share."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from jupyter_rtmsg.log import Draft, EventLog, Record
from jupyter_rtmsg.log.crc import event_crc
from jupyter_rtmsg.logthrottle import LogThrottle

DEADLINE = 30.0  # seconds


def unthrottle_logs() -> None:
    """Have no message be left out because others like it were logged before."""
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
    """Build an event whose data is a number; with a client, its id counts as made up by that."""
    rest.setdefault("auto", "client" in rest)
    return Draft(room, name, b"%d" % i, **rest)


def bare_event(connection: sqlite3.Connection, seq: int, ts: int) -> None:
    """Put a row without data into table ``event`` of an open file, for what only looks at times."""
    crc = event_crc(seq, 0, ts, 0, "", "x", "", None, b"", b"")
    row = "INSERT INTO event VALUES(?, 1, 0, ?, 'x', x'', 0, x'', '', NULL, 0, ?, 0)"
    connection.execute(row, (seq, ts, crc))


async def fill(log: EventLog, count: int, room: str = "lab", **rest: Any) -> list[int]:
    """Append so many events, and return their seqs once they are stored."""
    return [each.seq for each in await asyncio.gather(*(log.append(draft(i, room, **rest)) for i in range(count)))]


async def follow(log: EventLog, after: int, count: int) -> list[Record]:
    """Follow the log until so many events came."""
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
    """Wait for a condition, failing at the deadline."""
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
