"""How much a room may hold by its policy, and what is deleted or refused when it has more."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.logs import Clock, Opener, draft, fill, opener, read_all, seqs, sql, until

from jupyter_rtmsg.errors import LogIdConflict, LogRoomFull
from jupyter_rtmsg.log import Draft, EventLog, Policy, open_log
from jupyter_rtmsg.log.policy import FORGOTTEN_AFTER, load_policies, save_policies
from jupyter_rtmsg.log.retention import Retention
from jupyter_rtmsg.log.room_limits import RoomLimits
from jupyter_rtmsg.log.schema import connect, prepare
from jupyter_rtmsg.log.verify import verify

DAY = FORGOTTEN_AFTER / 1000


async def holds(log: EventLog, count: int, room: str = "lab") -> None:
    """Wait until a room holds a number of events."""

    async def there() -> bool:
        return (await log.stats(room)).count == count

    await until(there)


# --- old events are deleted


async def test_a_room_keeps_its_newest_events(log: EventLog) -> None:
    other = await fill(log, 30, room="other")
    await log.policies.set("lab", Policy(count=10))
    mine = await fill(log, 30)
    await holds(log, 10)
    assert seqs(await read_all(log)) == mine[20:]
    assert seqs(await read_all(log, "other")) == other


async def test_a_policy_applies_to_stored_events_too(log: EventLog) -> None:
    mine = await fill(log, 30)
    await log.policies.set("lab", Policy(count=7))
    await holds(log, 7)
    assert seqs(await read_all(log)) == mine[23:]


async def test_a_room_keeps_its_newest_bytes(log: EventLog) -> None:
    await log.policies.set("lab", Policy(bytes=1_000))
    for _ in range(10):
        await asyncio.gather(*(log.append(Draft("lab", "n", b"1" * 90, (b"2" * 10,))) for _ in range(5)))
    await holds(log, 10)
    assert (await log.stats("lab")).bytes == 1_000


async def test_events_that_are_older_than_the_policy_says_are_deleted(open_any: Opener) -> None:
    clock = Clock()
    log = await open_any(clock=clock, monotonic=clock)
    await log.policies.set("lab", Policy(age=600))
    await fill(log, 5)
    await fill(log, 5, room="other")
    clock.now += 400
    later = await fill(log, 3)
    clock.now += 300
    await fill(log, 1, room="other")
    await holds(log, 3)
    assert seqs(await read_all(log)) == later
    assert (await log.stats("other")).count == 6


async def test_age_is_met_without_another_event(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    await log.policies.set("lab", Policy(age=1.5))
    await fill(log, 3)
    assert (await log.stats("lab")).count == 3
    await holds(log, 0)


async def test_a_shorter_age_is_applied_at_once(open_any: Opener) -> None:
    clock = Clock()
    log = await open_any(clock=clock, monotonic=clock)
    await log.policies.set("lab", Policy(age=10_000))
    await fill(log, 5)
    clock.now += 500
    await log.policies.set("lab", Policy(age=100))
    await holds(log, 0)


async def test_space_of_a_room_is_shared_among_its_users(log: EventLog) -> None:
    await log.policies.set("lab", Policy(count=20))
    few = await fill(log, 5, user="ann")
    await fill(log, 200, user="bob")
    await holds(log, 20)
    assert seqs(await read_all(log, user="ann")) == few


async def test_a_policy_gives_no_more_than_the_log(open_any: Opener) -> None:
    log = await open_any(max_events=10)
    await log.policies.set("lab", Policy(count=1_000))
    await fill(log, 50)
    await holds(log, 10)
    assert log.policies.limits == Policy(10, 30 * DAY, 256 << 20)


async def test_events_go_in_slices(open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await open_sqlite()
    for _ in range(3):
        await fill(log, 1_000)
    slices: list[int] = []
    original = Retention.delete

    def counted(self: Retention, *args: object, **rest: object) -> object:
        before = self._state.count
        changed = original(self, *args, **rest)  # type: ignore[arg-type]
        slices.append(before - self._state.count)
        return changed

    monkeypatch.setattr(Retention, "delete", counted)
    await log.policies.set("lab", Policy(count=100))
    await holds(log, 100)
    assert (max(slices), sum(slices)) == (1_000, 2_900)


async def test_at_rest_nothing_looks_at_rooms_whose_events_expire_later(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_sqlite()
    await log.policies.set("lab", Policy(age=3_600))
    await fill(log, 3)
    looks: list[float] = []
    original = RoomLimits.trim

    def counted(self: RoomLimits, time: int, *, busy: bool) -> object:
        looks.append(self.wait(time))
        return original(self, time, busy=busy)

    monkeypatch.setattr(RoomLimits, "trim", counted)
    await until(lambda: len(looks) >= 1)
    await asyncio.sleep(0.5)
    assert len(looks) < 20
    assert 3_500 < looks[-1] <= 3_600


# --- events are refused


async def test_a_room_that_refuses_says_what_it_holds(log: EventLog) -> None:
    await log.policies.set("lab", Policy(count=3, refuse=True))
    kept = await fill(log, 3)
    with pytest.raises(LogRoomFull, match=r"room 'lab' holds 3 of at most 3 events; its policy refuses more"):
        await log.append(draft())
    assert seqs(await read_all(log)) == kept
    await fill(log, 5, room="other")


async def test_events_of_one_commit_are_admitted_one_by_one(log: EventLog) -> None:
    await log.policies.set("lab", Policy(count=5, refuse=True))
    done = await asyncio.gather(*(log.append(draft(i)) for i in range(9)), return_exceptions=True)
    assert [isinstance(each, LogRoomFull) for each in done] == [False] * 5 + [True] * 4


async def test_a_room_refuses_bytes(log: EventLog) -> None:
    await log.policies.set("lab", Policy(bytes=100, refuse=True))
    await log.append(Draft("lab", "n", b"1" * 60))
    with pytest.raises(LogRoomFull, match=r"60 of at most 100 bytes, and the event has 41"):
        await log.append(Draft("lab", "n", b"1" * 41))
    await log.append(Draft("lab", "n", b"1" * 30, (b"2" * 10,)))


@pytest.mark.parametrize("refuse", [False, True])
async def test_an_event_larger_than_the_room_is_refused(log: EventLog, refuse: bool) -> None:
    await log.policies.set("lab", Policy(bytes=100, refuse=refuse))
    with pytest.raises(LogRoomFull, match="the event has 101 bytes, and room 'lab' holds at most 100 in all"):
        await log.append(Draft("lab", "n", b"1" * 101))
    await log.append(Draft("lab", "n", b"1" * 100))


async def test_a_full_room_still_knows_its_ids(log: EventLog) -> None:
    await log.policies.set("lab", Policy(count=1, refuse=True))
    first = await log.append(draft(1, id="a", user="ann"))
    again = await log.append(draft(1, id="a", user="ann"))
    assert (again.seq, again.duplicate) == (first.seq, True)
    with pytest.raises(LogIdConflict):
        await log.append(draft(2, id="a", user="ann"))


async def test_policies_are_in_order_with_appends(log: EventLog) -> None:
    made = [
        log.append(draft(1)),
        log.policies.set("lab", Policy(count=1, refuse=True)),
        log.append(draft(2)),
        log.policies.set("lab", Policy()),
        log.append(draft(3)),
    ]
    done = await asyncio.gather(*made, return_exceptions=True)
    assert [isinstance(each, Exception) for each in done] == [False, False, True, False, False]
    assert [record.data for record in await read_all(log)] == [b"1", b"3"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=6), max_size=8),
    st.none() | st.integers(1, 8),
    st.integers(1, 150),
)
async def test_with_both_limits_acknowledged_events_are_held_and_refused_ones_are_not(
    commits: list[list[int]], count: int | None, size: int
) -> None:
    log = await open_log("memory:")
    await log.policies.set("lab", Policy(count=count, bytes=size, refuse=True))
    held: list[int] = []
    for commit in commits:
        sent = [Draft("lab", "n", b"1" * each) for each in commit]
        for draft_, done in zip(
            sent, await asyncio.gather(*map(log.append, sent), return_exceptions=True), strict=True
        ):
            fits = (count is None or len(held) < count) and sum(held) + len(draft_.data) <= size
            assert isinstance(done, LogRoomFull) is not fits
            held += [len(draft_.data)] if fits else []
    assert [len(record.data) for record in await read_all(log)] == held
    await log.close()


# --- what becomes of a policy


async def test_a_policy_is_read_back_and_taken_away(log: EventLog) -> None:
    assert log.policies.get("lab") is None
    await log.policies.set("lab", Policy(count=5, age=60, bytes=700, refuse=True))
    policy = log.policies.get("lab")
    assert policy is not None
    assert (policy.count, policy.age, policy.bytes, policy.refuse) == (5, 60.0, 700, True)
    await log.policies.set("lab", Policy())
    assert log.policies.get("lab") is None


async def test_a_policy_outlives_a_restart(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await log.policies.set("lab", Policy(count=2, age=3_600.5, refuse=True))
    await log.policies.set("other", Policy(count=4))
    await fill(log, 2)
    await fill(log, 9, room="other")
    await log.close()
    assert verify(path).damaged == 0
    again = await open_sqlite()
    await holds(again, 4, "other")
    with pytest.raises(LogRoomFull):
        await again.append(draft())
    assert again.policies.get("lab") is not None


async def test_an_age_goes_on_after_a_restart(open_sqlite: Opener) -> None:
    clock = Clock()
    log = await open_sqlite(clock=clock, monotonic=clock)
    await log.policies.set("lab", Policy(age=600))
    await fill(log, 5)
    await log.close()
    clock.now += 700
    await holds(await open_sqlite(clock=clock, monotonic=clock), 0)


async def test_a_damaged_policy_costs_only_itself(
    open_sqlite: Opener, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = await open_sqlite()
    for room in ("lab", "other"):
        await log.policies.set(room, Policy(count=3, refuse=True))
    await fill(log, 3)
    await log.close()
    sql(path, "UPDATE policy SET count = 1 WHERE room = 'lab'")
    assert [finding.where for finding in verify(path).findings] == ["policy of room 'lab'"]
    again = await open_sqlite()
    assert "the policy of room 'lab' is damaged" in caplog.text
    await fill(again, 9)
    assert again.policies.get("other") is not None


async def test_a_policy_of_another_type_costs_only_itself(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await log.policies.set("lab", Policy(count=3))
    await log.close()
    sql(path, "UPDATE policy SET count = 'many', used = x'00'")
    assert verify(path).damaged == 1
    assert (await open_sqlite()).policies.get("lab") is None


async def test_a_deleted_room_has_no_policy(log: EventLog) -> None:
    await log.policies.set("lab", Policy(count=1, refuse=True))
    await log.policies.set("empty", Policy(count=1))
    await fill(log, 1)
    await asyncio.gather(log.delete("lab"), log.delete("empty"))
    assert (log.policies.get("lab"), log.policies.get("empty")) == (None, None)
    await fill(log, 3)


async def test_policies_move_with_the_log(path: Path) -> None:
    url = f"sqlite:///{path}"
    holder = await open_log(url, ballast=0)
    await holder.policies.set("lab", Policy(count=1))
    await holder.policies.set("kept", Policy(count=5))
    log = await open_log(url, ballast=0)
    await log.policies.set("lab", Policy(count=2, refuse=True))
    await fill(log, 2)
    await log.policies.set("fresh", Policy(age=9))
    await fill(holder, 1)
    await holder.close()
    await until(lambda: log.durable)
    assert (await log.stats("lab")).count == 3  # all were acknowledged
    with pytest.raises(LogRoomFull, match="3 of at most 2 events"):
        await log.append(draft())
    assert [bool(log.policies.get(room)) for room in ("kept", "fresh")] == [True, True]
    await log.close()
    assert verify(path).damaged == 0
    async with opener(path) as open_:
        policy = (await open_()).policies.get("lab")
    assert policy is not None
    assert policy.refuse


async def test_an_empty_room_that_nobody_used_for_a_day_loses_its_policy(open_sqlite: Opener, path: Path) -> None:
    clock = Clock()
    log = await open_sqlite(clock=clock, monotonic=clock)
    await log.policies.set("empty", Policy(count=1, refuse=True))
    await log.policies.set("held", Policy(count=1, refuse=True))
    await fill(log, 1, room="held")
    clock.now += DAY + 10
    await log.append(draft(room="empty", user="ann"))
    assert log.policies.get("empty") is None
    await log.append(draft(room="empty", user="ann"))
    assert log.policies.get("held") is not None
    await log.policies.set("unused", Policy(count=1))
    clock.now += DAY + 10
    await fill(log, 1, room="other")
    await until(lambda: [room for (room,) in sql(path, "SELECT room FROM policy")] == ["held"])


async def test_a_transaction_that_fails_changes_no_policy(open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await open_sqlite()
    await log.policies.set("lab", Policy(count=1, refuse=True))

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr("jupyter_rtmsg.log.store.save_policies", fail)
        with pytest.raises(Exception, match="disk"):
            await log.policies.set("lab", Policy())
    await fill(log, 1)
    with pytest.raises(LogRoomFull):
        await log.append(draft())


limits = st.none() | st.integers(1, 2**53)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
        st.builds(Policy, limits, st.none() | st.floats(0.001, 1e9), limits, st.booleans(), st.integers(0, 2**50)),
        max_size=5,
    )
)
def test_saved_tallies_are_loaded(policies: dict[str, Policy]) -> None:
    with closing(connect(":memory:")) as connection:
        prepare(connection, "MEMORY")
        save_policies(connection, policies)
        loaded = load_policies(connection)
    assert loaded == policies
    assert all(each.age is None or math.isfinite(each.age) for each in loaded.values())
