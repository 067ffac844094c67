from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from support.logs import draft
from support.members import until

from jupyter_rtmsg.errors import EpochChanged
from jupyter_rtmsg.hub import follow as module
from jupyter_rtmsg.log import Record
from jupyter_rtmsg.log.records import Take


async def test_an_event_appended_outside_of_the_hub_is_delivered(hub: Any) -> None:
    """Appends need not come through this hub."""
    member = await hub.joined()
    await hub.log.append(draft(room="lab", sender=b'{"user":"x","kind":"script","member":"m"}'))
    await until(lambda: member.events())
    assert member.events()[0].meta["from"]["user"] == "x"


class Interruption:
    """A log whose follower fails at a batch. The batch is not lost."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.armed = False

    def __call__(self, log: Any) -> None:
        follow = log.follow

        def interrupted(*, after: int, take: Take) -> AsyncIterator[Sequence[Record]]:
            def fail_once(batch: Sequence[Record]) -> None:
                if self.armed:
                    self.armed = False
                    raise self._error
                take(batch)

            return follow(after=after, take=fail_once)

        log.follow = interrupted


async def test_members_are_told_of_another_epoch_and_receive_its_events(start: Any) -> None:
    interruption = Interruption(EpochChanged("the file was replaced"))
    hub = await start(prepare=interruption)
    member = await hub.joined(user="ann", fields={"as": "notes"})
    await member.publish_many(3)
    await until(lambda: len(member.events()) == 3)
    interruption.armed = True
    hub.log.epoch = "new"
    await member.publish()
    (notice,) = await member.has("$reset")
    assert notice == {"room": "lab", "epoch": "new", "opening": hub.log.opening, "reason": "the file was replaced"}
    seq = await member.publish()
    await until(lambda: member.seqs()[-1] == seq)
    reply = await member.join(**{"as": "notes"})
    assert (reply["epoch"], reply["recovered"], reply["reason"], reply["missed"]) == ("new", False, "epoch", 5)


async def test_a_member_that_catches_up_when_the_epoch_changes_is_told_and_goes_live(start: Any) -> None:
    interruption = Interruption(EpochChanged("the file was replaced"))
    hub = await start(prepare=interruption, page_events=1, ring_events=1, server={"max_queue": 10_000_000})
    writer = await hub.connect()
    await asyncio.gather(*(writer.publish("x" * 100_000) for _ in range(80)))
    slow = await hub.connect()
    await slow.join(after=0)
    reading, slow._reading = slow._reading, None
    reading.cancel()  # its queue is never empty now, so it goes on catching up
    await asyncio.gather(reading, return_exceptions=True)
    interruption.armed = True
    await writer.publish()
    await until(lambda: not interruption.armed)
    seq = await writer.publish()
    slow.read()
    await slow.has("$reset")
    await until(lambda: slow.seqs()[-1] == seq)


async def test_a_join_during_which_the_epoch_changes_starts_in_the_new_one(start: Any, monkeypatch: Any) -> None:
    interruption = Interruption(EpochChanged("the file was replaced"))
    hub = await start(prepare=interruption)
    writer = await hub.connect()
    seqs = await writer.publish_many(3)
    lag, counting = hub.log.lag, asyncio.Event()

    async def slow(room: str, after: int) -> Any:
        if not counting.is_set():
            counting.set()
            await until(lambda: hub.hub.core.follower.resets)
        return await lag(room, after)

    monkeypatch.setattr(hub.log, "lag", slow)
    member = await hub.connect()
    joining = member.ask("join", {"room": "lab", "after": seqs[0], "epoch": hub.log.epoch})
    await counting.wait()
    hub.log.epoch = "new"
    interruption.armed = True
    seqs.append(await writer.publish())
    reply = await joining
    assert (reply["epoch"], reply["reason"], reply["missed"]) == ("new", "epoch", 4)
    await until(lambda: member.seqs() == seqs)


async def test_a_fault_while_following_loses_nothing(start: Any, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(module, "RETRY_AFTER", 0.01)
    interruption = Interruption(OSError("the disk is gone for a moment"))
    hub = await start(prepare=interruption)
    member = await hub.joined()
    interruption.armed = True
    seqs = await member.publish_many(5)
    await until(lambda: member.seqs() == seqs)
    assert not interruption.armed
    assert "following the log failed" in caplog.text
