from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from support.logs import draft
from support.members import until

from jupyter_rtmsg.errors import EpochChanged
from jupyter_rtmsg.hub import follow as module
from jupyter_rtmsg.log import Record


async def test_an_event_that_somebody_else_appended_is_delivered(hub: Any) -> None:
    """Nothing may assume that appends come through this hub."""
    member = await hub.joined()
    await hub.log.append(draft(room="lab", sender=b'{"user":"x","kind":"client","member":"m"}'))
    await until(lambda: member.events())
    assert member.events()[0].meta["from"]["user"] == "x"


def interrupt(log: Any, error: Exception) -> Any:
    """Make the log's followers fail once, at the next batch, which is not lost."""
    follow = log.follow
    failed = []

    async def follow_(*, after: int) -> AsyncIterator[Sequence[Record]]:
        async for batch in follow(after=after):
            if not failed:
                failed.append(error)
                raise error
            yield batch

    log.follow = follow_
    return failed


async def test_members_are_told_of_another_epoch_and_receive_its_events(start: Any, monkeypatch: Any) -> None:
    hub = await start(ring_events=2, page_events=1)
    writer = await hub.connect()
    await writer.publish_many(3)
    interrupt(hub.log, EpochChanged("the file was replaced"))
    # the follower is in the old iterator still: a new hub follows through the interruption
    fresh = module.Follower(hub.log, hub.hub.rooms, hub.hub.follower._deliver, hub.hub._reset)
    hub.hub.follower.position, old = fresh.position, hub.hub._tasks[0]
    old.cancel()
    hub.hub._tasks[0] = hub.hub.loop.create_task(fresh.run())
    hub.hub.follower = fresh
    hub.hub.starts._follower = fresh
    member = await hub.joined()
    hub.log.epoch = "new"
    await writer.publish()
    (notice,) = await member.has("$reset")
    assert notice == {"room": "lab", "epoch": "new", "reason": "the file was replaced"}
    seq = await writer.publish()
    await until(lambda: member.seqs()[-1:] == [seq])


async def test_a_fault_while_following_loses_nothing(start: Any, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(module, "RETRY_AFTER", 0.01)
    hub = await start()
    failed = interrupt(hub.log, OSError("the disk is gone for a moment"))
    hub.hub._tasks[0].cancel()
    hub.hub._tasks[0] = hub.hub.loop.create_task(hub.hub.follower.run())
    member = await hub.joined()
    seqs = await member.publish_many(5)
    await until(lambda: member.seqs() == seqs)
    assert failed
    assert "following the log failed" in caplog.text
