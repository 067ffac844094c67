"""A wall clock that is wrong, by days or by a minute: no event expires by it, and new events get its time."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.logs import Clock, Opener, bare_event, draft, fill, follow, read_all, seqs, until

from jupyter_rtmsg.log import EventLog
from jupyter_rtmsg.log.clock import LogClock, decode_state, encode_state, stamp, steady_clock
from jupyter_rtmsg.log.options import DAY
from jupyter_rtmsg.log.schema import connect, prepare
from jupyter_rtmsg.log.timeline import first_since, first_stored

NOW = 1_800_000_000.0


class Machine:
    """The clocks of a computer: the wall clock, right or wrong, and the monotonic one."""

    def __init__(self) -> None:
        self.wall, self.monotonic = Clock(NOW), Clock(5.0)

    def wait(self, seconds: float) -> None:
        """Advance both clocks."""
        self.wall.now += seconds
        self.monotonic.now += seconds

    def restart(self, seconds: float = 0.0) -> None:
        """Be off so long; the clock that is not set begins anew."""
        self.wall.now += seconds
        self.monotonic.now = 1.0

    def options(self) -> dict[str, Clock]:
        return {"clock": self.wall, "monotonic": self.monotonic}

    def clock(self, newest: int = 0, stored: bytes | None = None, usual: float = 0.0) -> LogClock:
        return LogClock(self.wall, self.monotonic, newest, stored, usual=usual)

    def reopen(self, clock: LogClock, off: float = 0.0, usual: float = 0.0) -> LogClock:
        """Close a clock and open it again after some time."""
        clock.look()
        self.restart(off)
        return self.clock(clock.time, encode_state(clock.state), usual)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def seconds(clock: LogClock) -> float:
    """What a clock says, in seconds since `NOW`."""
    return clock.look() / 1000 - NOW


def waited(machine: Machine, clock: LogClock, hours: float) -> float:
    """Look each minute, as an idle log does."""
    for _ in range(round(hours * 60)):
        machine.wait(60)
        clock.look()
    return seconds(clock)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# Log time


def test_log_time_is_the_wall_clocks_while_that_is_right(machine: Machine) -> None:
    clock = machine.clock()
    for step in (0.5, 60, 3 * DAY):
        machine.wait(step)
        assert clock.look() == int(machine.wall.now * 1000)
    assert clock.at(NOW) == NOW


def test_a_correction_of_up_to_an_hour_is_taken_at_once_and_never_backwards(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall.now += 3600
    assert seconds(clock) == 3600
    machine.wall.now -= 1800
    assert seconds(clock) == 3600
    machine.wait(2000)
    assert seconds(clock) == 3800


@pytest.mark.parametrize("days", [40, -40])
def test_a_clock_set_wrong_while_the_log_is_open_changes_nothing(machine: Machine, days: int) -> None:
    clock = machine.clock()
    waited(machine, clock, 2)
    machine.wall.now += days * DAY
    assert waited(machine, clock, 3) == 5 * 3600
    machine.wall.now -= days * DAY
    assert waited(machine, clock, 1) == 6 * 3600
    assert seconds(machine.reopen(clock, 600)) == 6 * 3600 + 600


@pytest.mark.parametrize("closed", [True, False])
def test_a_clock_that_goes_back_and_is_put_right_around_an_opening_takes_no_time(
    machine: Machine, closed: bool
) -> None:
    clock = machine.clock()
    waited(machine, clock, 2)
    machine.wall.now -= 3 * 3600
    clock.look()
    if closed:  # it is put right while the log is closed
        clock = machine.reopen(clock, 3 * 3600)
    else:
        clock = machine.reopen(clock)
        machine.wall.now += 3 * 3600
    assert waited(machine, clock, 3) == 5 * 3600


def test_a_clock_that_flaps_by_an_hour_does_not_add_up(machine: Machine) -> None:
    clock = machine.clock()
    for _ in range(10):
        for step in (3600, -3600.01, 0.01):
            machine.wall.now += step
            clock.look()
    assert seconds(clock) == 3600


def test_jitter_between_the_clocks_does_not_add_up(machine: Machine) -> None:
    clock = machine.clock()
    for _ in range(1000):
        machine.wall.now += 0.01
        clock.look()
        machine.monotonic.now += 0.01
        clock.look()
    assert seconds(clock) == pytest.approx(10, abs=0.1)


def test_an_hour_that_the_log_was_closed_is_taken_at_its_opening(machine: Machine) -> None:
    assert seconds(machine.reopen(machine.clock(), 3600)) == 3600


def test_more_is_taken_once_the_clock_has_held_for_an_hour(machine: Machine) -> None:
    clock = machine.reopen(machine.clock(), 2 * DAY)
    assert waited(machine, clock, 59 / 60) == 59 * 60
    assert waited(machine, clock, 2 / 60) == 2 * DAY + 61 * 60


def test_a_clock_that_is_corrected_within_the_hour_is_ignored(machine: Machine) -> None:
    clock = machine.reopen(machine.clock(), 40 * DAY)
    waited(machine, clock, 0.5)
    machine.wall.now -= 40 * DAY
    assert waited(machine, clock, 2) == 2.5 * 3600


def test_of_a_clock_that_is_set_after_the_opening_the_least_is_taken(machine: Machine) -> None:
    clock = machine.reopen(machine.clock(), 40 * DAY)
    waited(machine, clock, 0.5)
    machine.wall.now -= 38 * DAY
    assert waited(machine, clock, 1) == 2 * DAY + 1.5 * 3600


def test_a_clock_that_is_set_wrong_as_the_machine_wakes_has_not_held_for_an_hour(machine: Machine) -> None:
    clock = machine.reopen(machine.clock(), 60)
    machine.wait(10 * 3600)
    machine.wall.now += 40 * DAY
    assert waited(machine, clock, 0.5) == 60 + 10.5 * 3600
    machine.wall.now -= 40 * DAY
    assert waited(machine, clock, 2) == 60 + 12.5 * 3600


def test_a_clock_that_starts_in_1970_and_is_set_later_counts_the_time_off(machine: Machine) -> None:
    clock = machine.clock()
    clock.look()
    stored, off = encode_state(clock.state), machine.wall.now + 2 * DAY
    machine.wall.now, machine.monotonic.now = 0.0, 0.0
    clock = machine.clock(clock.time, stored)
    assert waited(machine, clock, 0.1) == 360
    machine.wall.now = off + 360
    assert waited(machine, clock, 0.5) == 0.6 * 3600
    assert waited(machine, clock, 1) == 2 * DAY + 1.6 * 3600


def test_a_new_log_of_a_clock_that_is_not_set_yet_expires_nothing_when_it_is(machine: Machine) -> None:
    machine.wall.now = 0.0
    clock = machine.clock()
    waited(machine, clock, 0.1)
    machine.wall.now = NOW
    assert waited(machine, clock, 5) == 5.1 * 3600 - NOW


def test_the_hour_may_be_spread_over_several_openings(machine: Machine) -> None:
    clock = machine.clock()
    waited(machine, clock, 2)
    for day in range(1, 6):
        clock = machine.reopen(clock, DAY - 1800)
        behind = machine.wall.now - NOW - waited(machine, clock, 0.5)
        assert behind <= 3 * DAY, f"on day {day}"


def test_a_log_ahead_of_the_right_clock_counts_time_off_again_after_an_hour(machine: Machine) -> None:
    ahead = waited(machine, machine.reopen(machine.clock(), 40 * DAY), 2)
    clock = machine.clock(int((NOW + ahead) * 1000))
    machine.wall.now -= 40 * DAY
    clock = machine.clock(clock.look())
    assert waited(machine, clock, 2) == ahead + 2 * 3600
    assert seconds(machine.reopen(clock, 1000)) == ahead + 2 * 3600 + 1000


def test_a_warning_names_both_times_once(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    clock = machine.clock()
    waited(machine, clock, 2)
    machine.wall.now += 40 * DAY
    waited(machine, clock, 5)
    (text,) = warnings(caplog)
    assert "forward by 40 days, 0:00:00" in text
    assert "from 2027-01-15 10:00:00Z" not in text  # it says what it should be now
    assert "from 2027-01-15 10:01:00Z to 2027-02-24 10:01:00Z" in text


def test_a_clock_that_flaps_is_warned_of_now_and_then(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    clock = machine.clock()
    for i in range(600):
        machine.wait(0.1)
        machine.wall.now += DAY if i % 2 else -DAY
        clock.look()
    assert 1 <= len(warnings(caplog)) <= 7


def test_a_log_that_was_closed_for_less_than_its_retention_warns_of_nothing(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    clock = machine.reopen(machine.clock(), 29 * DAY, usual=30 * DAY)
    assert warnings(caplog) == []
    machine.reopen(clock, 2 * DAY, usual=30 * DAY)
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("stored", [b"", b"[]", b'["a",0,0,0]', "text", 7])
def test_a_damaged_state_is_left_out(machine: Machine, stored: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert machine.clock(1000, stored).time == 1000
    assert len([text for text in warnings(caplog) if "damaged" in text]) == 1
    assert decode_state(encode_state(machine.clock().state)) == machine.clock().state


def test_the_default_clocks_are_those_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = steady_clock()
    before = clock()
    assert 0 <= clock() - before < 60
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 4711, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert steady_clock() is time.monotonic
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert steady_clock() is time.monotonic


def test_ts_follows_a_clock_that_is_put_right() -> None:
    assert [stamp(now, 100_000) for now in (100_001, 40_000, 39_999)] == [100_001, 100_000, 39_999]


# A log under a wrong clock


async def test_a_clock_40_days_ahead_for_a_minute_deletes_nothing_and_stamps_nothing_later(
    open_sqlite: Opener, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    log = await open_sqlite(**machine.options())
    await fill(log, 5)
    await log.close()
    machine.restart(40 * DAY)
    log = await open_sqlite(**machine.options())
    machine.wait(60)
    await fill(log, 1)
    await log.close()
    machine.restart(-40 * DAY)
    log = await open_sqlite(**machine.options())
    await fill(log, 3)
    times = [(record.ts / 1000 - NOW) for record in await read_all(log)]
    assert times == [0] * 5 + [40 * DAY + 60] + [60] * 3
    assert ["forward" in text for text in warnings(caplog)] == [True, False]


async def test_while_it_is_open_nothing_expires_by_a_jump(open_any: Opener, machine: Machine) -> None:
    log = await open_any(**machine.options(), max_age=3 * DAY, dedup_age=2 * DAY)
    await log.append(draft(client="c", id="x"))
    machine.wall.now += 40 * DAY
    assert (await log.append(draft(client="c", id="x"))).duplicate
    await fill(log, 1)
    assert (await log.stats("lab")).count == 2
    for _ in range(50):  # an idle log looks each minute; this one each hour
        machine.wait(3600)
        await fill(log, 1)
    assert not (await log.append(draft(client="c", id="x"))).duplicate
    machine.wait(DAY)
    await fill(log, 1)
    await until(lambda: _first(log, 4))  # two hours' events are too old


async def test_events_stored_under_a_wrong_clock_expire_at_their_age(open_sqlite: Opener, machine: Machine) -> None:
    log = await open_sqlite(**machine.options(), max_age=2 * DAY)
    for days in (0, 400, -800, 400):
        machine.wall.now += days * DAY
        machine.wait(DAY / 2)
        await fill(log, 1)
    await log.close()
    log = await open_sqlite(**machine.options(), max_age=2 * DAY)
    assert (await log.stats("lab")).first == 1
    for first in (2, 3, 4):
        machine.wait(DAY / 2 + (120 if first == 2 else 0))
        await fill(log, 1)
        await until(lambda first=first: _first(log, first))


async def _first(log: EventLog, seq: int) -> bool:
    return (await log.stats("lab")).first == seq


async def test_since_is_exact_whatever_the_clock_said(open_sqlite: Opener, machine: Machine) -> None:
    log = await open_sqlite(**machine.options())
    for i, jump in enumerate((0, 0, 40 * DAY, 0, -40 * DAY, 0, -900, 0, 900, -90 * DAY, 90 * DAY)):
        machine.wall.now += jump
        machine.wait(10)
        await fill(log, 2, "lab" if i % 3 else "other")
    everything = [record for room in ("lab", "other") for record in await read_all(log, room)]
    for room in ("lab", "other"):
        for ts in sorted({record.ts + more for record in everything for more in (-1, 0, 1)}):
            after = [record.seq for record in await read_all(log, room) if record.ts >= ts]
            before = [record.seq for record in await read_all(log, room) if record.ts <= ts]
            assert seqs((await log.read(room, since=ts)).records) == after
            assert seqs(await read_all(log, room, since=ts, limit=2)) == after
            assert seqs((await log.read(room, since=ts, last=3)).records) == after[-3:]
            assert seqs((await log.read(room, until=ts)).records) == before


async def test_the_order_of_events_is_by_seq_only(open_sqlite: Opener, machine: Machine) -> None:
    log = await open_sqlite(**machine.options(), tail_events=1)
    for _ in range(3):
        machine.wall.now -= DAY
        await fill(log, 2)
    assert seqs(await read_all(log)) == seqs(await follow(log, 0, 6)) == [1, 2, 3, 4, 5, 6]


async def test_a_volatile_event_is_stamped_as_the_clock_says(open_any: Opener, machine: Machine) -> None:
    log = await open_any(**machine.options())
    machine.wall.now += 40 * DAY
    await fill(log, 1)
    machine.wall.now -= 40 * DAY
    log.announce(draft())
    records = await follow(log, 0, 2)
    assert [record.ts / 1000 - NOW for record in records] == [40 * DAY, 0]
    assert log.now() == NOW * 1000


async def test_a_note_lasts_as_long_as_it_was_to_last(open_any: Opener, machine: Machine) -> None:
    log = await open_any(**machine.options())
    log.key_values.put("pid", b"state", machine.wall.now + 120)
    machine.wall.now += 40 * DAY
    log.key_values.put("other", b"state", machine.wall.now + 120)
    await fill(log, 1)
    for _ in range(2):
        assert await log.key_values.get("pid") == await log.key_values.get("other") == b"state"
        machine.wall.now -= 40 * DAY
    machine.wait(121)
    assert await log.key_values.get("pid") is await log.key_values.get("other") is None


async def test_rows_of_stretches_go_with_their_events(open_sqlite: Opener, machine: Machine, path: Path) -> None:
    log = await open_sqlite(**machine.options(), max_events=4)
    for i in range(30):
        machine.wall.now += DAY if i % 2 else -DAY
        await fill(log, 1)
    await until(lambda: _first(log, 27))
    await log.close()
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT seq FROM stretch ORDER BY seq").fetchall()
    connection.close()
    assert rows == [(27,), (28,), (29,), (30,)]


async def test_a_log_whose_clock_is_right_has_no_stretches(open_sqlite: Opener, machine: Machine, path: Path) -> None:
    for off in (0, 600):
        machine.restart(off)
        log = await open_sqlite(**machine.options())
        for _ in range(5):
            machine.wait(100)
            machine.wall.now -= 1
            await fill(log, 1)
        await log.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM stretch").fetchone() == (0,)
    connection.close()


async def test_log_time_outlives_a_crash(open_sqlite: Opener, machine: Machine, path: Path) -> None:
    log = await open_sqlite(**machine.options())
    await fill(log, 1)
    machine.wall.now += 40 * DAY
    machine.wait(60)
    await fill(log, 1)
    copy = path.with_name("copy")
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)  # what a kill would leave
    stored = target.execute("SELECT v FROM meta WHERE k = 'clock'").fetchone()[0]
    source.close()
    target.close()
    machine.restart()
    clock = machine.clock(stored=stored)
    assert seconds(clock) == 60


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 50_000), st.sampled_from([0, 0, 0, 70_000, -70_000, 10**9, -(10**9)])), max_size=20
    ),
    wanted=st.integers(-100_000, 1_200_000),
)
def test_the_first_event_of_a_time_is_found_in_every_stretch(steps: list[tuple[int, int]], wanted: int) -> None:
    connection = connect(":memory:")
    prepare(connection, "MEMORY")
    ts = ahead = logged = seq = 0
    rows = []
    for passed, jump in steps:
        seq, logged, ts = seq + 2, logged + passed, ts + passed + jump
        rows.append((seq, ts, logged))
        if jump:
            ahead = logged - ts
            connection.execute("INSERT INTO stretch VALUES(?, ?)", (seq, ahead))
        bare_event(connection, seq, ts)
    head = seq + 1
    since = min((seq for seq, ts, _ in rows if ts >= wanted), default=head + 1)
    found = first_since(connection, wanted, head)
    assert found <= since
    assert not any(found <= seq < since for seq, _, _ in rows)
    stored = first_stored(connection, wanted, head)
    assert all((logged >= wanted) == (seq >= stored) for seq, _, logged in rows)
    assert (stored == head + 1) == (not any(logged >= wanted for _, _, logged in rows))
    connection.close()


async def test_a_file_of_a_version_without_log_time_goes_on(open_sqlite: Opener, machine: Machine, path: Path) -> None:
    log = await open_sqlite(**machine.options())
    await log.append(draft(client="c", id="x"))
    await log.close()
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE stretch; DELETE FROM meta WHERE k = 'clock'")
    connection.close()
    machine.restart(40 * DAY)
    log = await open_sqlite(**machine.options())
    assert (await log.append(draft(client="c", id="x"))).duplicate
    await fill(log, 1)
    assert [record.ts / 1000 - NOW for record in await read_all(log)] == [0, 40 * DAY]
