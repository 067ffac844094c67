"""A power loss at any moment: all events acknowledged before are in the log."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest
from faults.powerloss import Disk, build, entries, recording
from faults.world import World

from jupyter_rtmsg.log import open_log

pytestmark = [pytest.mark.needs_gcc, pytest.mark.timeout(300)]


class Acknowledged(dict[str, int]):
    """Seqs by id, with the time of each acknowledgement."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, float] = {}

    def __setitem__(self, id: str, seq: int) -> None:
        self.times[id] = time.monotonic()
        super().__setitem__(id, seq)


async def recorded(folder: Path, events: int, **options: object) -> tuple[Path, Acknowledged]:
    """Publish through a hub whose writes are recorded."""
    record = folder / "writes"
    environment = recording(build(folder), record, "log.sqlite3")
    async with World(folder, environment=environment, log_options=dict(options)) as world:
        acked = world.account.acked = Acknowledged()
        await world.flow(events // 2)
        await world.kill()
        await world.flow(events // 2)
        await world.settle()
        world.hub.kill()
    return record, acked


async def lost(folder: Path, acked: Acknowledged, moment: float) -> set[str]:
    """Open the log as it is after a power loss; return the ids that were acknowledged before and are lost.

    What is older than the oldest event that is there may have been trimmed.
    """
    log = await open_log(f"sqlite:///{folder / 'log.sqlite3'}", ballast=0)
    try:
        assert log.durable
        page = await log.read("lab", limit=100_000, max_bytes=1 << 30)
        stored = {record.id: record.seq for record in page.records}
        first = (await log.stats("lab")).first
        due = {id: seq for id, seq in acked.items() if acked.times[id] < moment and seq >= first}
        return {id for id, seq in due.items() if stored.get(id) != seq}
    finally:
        await log.close()


async def lose_power(
    record: Path, acked: Acknowledged, folder: Path, chance: random.Random, count: int
) -> list[set[str]]:
    """Lose power ``count`` times, each at another moment of the record; return the lost ids of each time."""
    everything = list(entries(record))
    moments = sorted(chance.sample(range(1, len(everything)), min(count, len(everything) - 1)))
    disk, done, losses = Disk(), 0, []
    for number, moment in enumerate(moments):
        for entry in everything[done:moment]:
            disk.do(entry)
        done = moment
        state = folder / f"state{number}"
        state.mkdir()
        disk.lose_power(state, chance)
        losses.append(await lost(state, acked, everything[moment - 1].time))
        shutil.rmtree(state)
    return losses


async def test_events_acknowledged_before_a_power_loss_are_in_the_log(tmp_path: Path) -> None:
    record, acked = await recorded(tmp_path, 300)
    assert not any(await lose_power(record, acked, tmp_path, random.Random(1), 40))


async def test_also_while_the_log_is_trimmed(tmp_path: Path) -> None:
    record, acked = await recorded(tmp_path, 300, max_events=100)
    assert not any(await lose_power(record, acked, tmp_path, random.Random(2), 20))


async def test_durability_process_promises_less(tmp_path: Path) -> None:
    record, acked = await recorded(tmp_path, 300, durability="process")
    assert any(await lose_power(record, acked, tmp_path, random.Random(3), 40))
