"""Reading from the log what the queue lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from jupyter_rtmsg.client.handlers import Handlers
from jupyter_rtmsg.rooms.decoding import Era, Position
from jupyter_rtmsg.rooms.gaps import GapReader
from jupyter_rtmsg.rooms.inbox import Inbox

MANY = 100  # requests that nobody needs


class Hub:
    """Answers ``history`` from a log of ten events, of any epoch and opening."""

    def __init__(self, epoch: str, opening: str) -> None:
        self.era = {"epoch": epoch, "opening": opening}
        self.asked = 0

    async def ask(self, command: str, request: Mapping[str, Any], then: Any) -> None:
        self.asked += 1
        if self.asked > MANY:
            raise asyncio.CancelledError
        await asyncio.sleep(0)
        seqs = range(request["after"] + 1, min(request["after"] + 5, 10) + 1)
        events = [{"event": "n", "data": seq, "seq": seq, "prev": seq - 1, "n": seq, "ts": 1} for seq in seqs]
        then({"events": events, "through": seqs.stop - 1, "head": 10, "head_n": 10, **self.era})


@pytest.fixture
def inbox() -> Inbox:
    """A queue that knows of ten events, and has none."""
    made = Inbox("lab", Handlers(), lambda: None)
    made.start_at(Position(Era("e", "first"), 0, 0), 0)
    made.seen = 10
    return made


async def read(inbox: Inbox, hub: Hub) -> GapReader:
    tasks: list[asyncio.Task[None]] = []

    def spawn(coroutine: Any) -> asyncio.Task[None]:
        tasks.append(asyncio.get_running_loop().create_task(coroutine))
        return tasks[-1]

    reader = GapReader("lab", inbox, hub, spawn, lambda: True, lambda: None)  # type: ignore[arg-type]
    reader.check()
    await asyncio.gather(*tasks, return_exceptions=True)
    return reader


async def test_pages_of_a_new_opening_of_the_same_log_are_taken(inbox: Inbox) -> None:
    """The hub tells of it with the next event, which may never come."""
    hub = Hub("e", "second")
    await read(inbox, hub)
    assert (inbox.received, inbox.has_gap, hub.asked) == (10, False, 2)
    assert inbox.era == Era("e", "second")


async def test_a_page_of_another_epoch_is_not_asked_for_again_and_again(inbox: Inbox) -> None:
    hub = Hub("another", "first")
    reader = await read(inbox, hub)
    reader.stop()
    assert (inbox.received, hub.asked) == (0, 1)
