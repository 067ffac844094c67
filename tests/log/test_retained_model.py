"""Random sequences of retained values, deletions, trimming, expiry and openings, compared with a dict."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.logs import DEADLINE, Clock

from jupyter_rtmsg.errors import LogConflict, LogLimit
from jupyter_rtmsg.log import Draft, EventLog, open_log
from jupyter_rtmsg.log.verify import verify

T = TypeVar("T")

MEMORY = "/dev/shm"  # a file system without a disk, where there is one
ROOMS = st.sampled_from(["a", "b"])
KEYS = st.sampled_from(["x", "y", "z"])
SIZES = st.integers(1, 20)
MOST_KEYS, MOST_BYTES = 2, 30


class Value(NamedTuple):
    seq: int
    data: bytes
    expires: float | None


class AgainstADict(RuleBasedStateMachine):
    """The dict has the value of each key, by room."""

    url = "memory:"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock, self.monotonic = Clock(), Clock(0.0)
        self.values: dict[str, dict[str, Value]] = {"a": {}, "b": {}}
        self.directory = tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None)
        self.path = Path(self.directory.name) / "log.sqlite3"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, DEADLINE))

    @initialize()
    def open(self) -> None:
        self.log: EventLog = self.run(
            open_log(
                self.url.format(self.path), ballast=0, max_events=4, retained_keys=MOST_KEYS, retained_bytes=MOST_BYTES,
                clock=self.clock, monotonic=self.monotonic,
            )
        )  # fmt: skip

    def alive(self, room: str) -> dict[str, Value]:
        now = self.monotonic.now
        return {key: each for key, each in self.values[room].items() if each.expires is None or each.expires > now}

    @rule(
        room=ROOMS, key=KEYS, data=st.integers(1, 20), expect=st.none() | st.booleans(), expire=st.none() | st.just(9)
    )
    def retain(self, room: str, key: str, data: int, expect: bool | None, expire: int | None) -> None:
        held = self.alive(room)
        right = held[key].seq if key in held else 0
        wanted = None if expect is None else right if expect else right + 1
        self.clear_expired(room)
        draft = Draft(
            room, "set", b"1" * data, user="ann", retain=key, expect=wanted, expire=None if expire is None else 9_000
        )
        after = {**held, key: Value(0, draft.data, None)}
        fits = len(after) <= MOST_KEYS and sum(len(each.data) for each in after.values()) <= MOST_BYTES
        if expect is False:
            with pytest.raises(LogConflict):
                self.run(_append(self.log, draft))
        elif not fits:
            with pytest.raises(LogLimit):
                self.run(_append(self.log, draft))
        else:
            until = None if expire is None else self.monotonic.now + expire
            self.values[room][key] = Value(self.run(_append(self.log, draft)), draft.data, until)

    def clear_expired(self, room: str) -> None:
        """Let the log delete what has expired: until then, it counts towards the bounds."""
        if len(self.alive(room)) < len(self.values[room]):
            self.values[room] = self.alive(room)
            self.run(self._settled(room))

    async def _settled(self, room: str) -> None:
        while (await self.log.stats(room)).retained > len(self.values[room]):
            await self.log.append(Draft("other", "tick", b"0"))
            await asyncio.sleep(0.01)

    @rule(room=ROOMS, key=KEYS)
    def delete(self, room: str, key: str) -> None:
        self.run(_append(self.log, Draft(room, "set", b"null", retain=key)))
        self.values[room].pop(key, None)

    @rule(room=ROOMS, count=st.integers(1, 8))
    def trim(self, room: str, count: int) -> None:
        for _ in range(count):
            self.run(_append(self.log, Draft(room, "tick", b"0")))

    @rule(room=ROOMS)
    def delete_room(self, room: str) -> None:
        self.run(_deleted(self.log, room))
        self.values[room] = {}

    @rule(seconds=st.sampled_from([1, 5, 10]))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds
        self.monotonic.now += seconds

    @rule()
    def open_again(self) -> None:
        if self.url != "memory:":
            self.run(self.log.close())
            assert verify(self.path).findings == []
            self.open()

    @invariant()
    def values_are_equal(self) -> None:
        for room in self.values if hasattr(self, "log") else ():
            held = {each.key: (each.seq, each.data) for each in self.run(_retained(self.log, room))}
            assert held == {key: (each.seq, each.data) for key, each in self.alive(room).items()}

    def teardown(self) -> None:
        self.run(self.log.close())
        self.loop.close()
        self.directory.cleanup()


class InAFile(AgainstADict):
    url = "sqlite:///{}"


async def _append(log: EventLog, draft: Draft) -> int:
    return (await log.append(draft)).seq


async def _deleted(log: EventLog, room: str) -> int:
    return (await log.delete(room)).seq


async def _retained(log: EventLog, room: str) -> Any:
    return await log.retained(room)


FEW = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestInMemory = AgainstADict.TestCase
TestInMemory.settings = FEW
TestInAFile = InAFile.TestCase
TestInAFile.settings = FEW
