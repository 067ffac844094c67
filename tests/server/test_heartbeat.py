"""The heartbeat of a session: when pings are sent, and how long a pong is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_rtmsg.server.heartbeat import Heartbeat
from jupyter_rtmsg.server.memory import Memory
from jupyter_rtmsg.server.outbox import Backlog
from jupyter_rtmsg.server.timers import Deadlines
from jupyter_rtmsg.wire.socketio import Encoded

INTERVAL, TIMEOUT = 25.0, 20.0


class Engine:
    ping_interval, ping_timeout = INTERVAL, TIMEOUT

    def __init__(self) -> None:
        self.deadlines = Deadlines()


class Transport:
    name = "websocket"
    unsent = 0
    reads_resume_at = -1e9


class Session:
    """A session whose transport and backlog a test sets."""

    def __init__(self) -> None:
        self.transport: Any = Transport()
        self.backlog: Backlog | None = None
        self.sent: list[Encoded] = []
        self.dead = False

    def put(self, encoded: Encoded) -> None:
        self.sent.append(encoded)

    def timed_out(self) -> None:
        self.dead = True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The loop's time, which a test may change."""
    time = [1000.0]

    class Clock(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return time[0]

    loop = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    yield time
    loop.close()


@pytest.fixture
def session(now: list[float]) -> Session:
    return Session()


@pytest.fixture
def heartbeat(session: Session) -> Heartbeat:
    heartbeat = Heartbeat(Engine(), session)
    heartbeat.start()
    return heartbeat


def ping(heartbeat: Heartbeat, now: list[float], late: float = 0.0) -> None:
    """Let the time of a ping come."""
    assert heartbeat.deadline is not None
    now[0] = heartbeat.deadline + late
    heartbeat.expire()


def test_a_ping_follows_each_interval_and_each_pong(heartbeat: Heartbeat, session: Session, now: list[float]) -> None:
    assert heartbeat.deadline == now[0] + INTERVAL
    ping(heartbeat, now)
    assert (len(session.sent), heartbeat.waiting, heartbeat.deadline) == (1, True, now[0] + TIMEOUT)
    now[0] += 3
    heartbeat.ponged()
    assert (heartbeat.waiting, heartbeat.deadline) == (False, now[0] + INTERVAL)


def test_a_session_without_pong_times_out(heartbeat: Heartbeat, session: Session, now: list[float]) -> None:
    ping(heartbeat, now)
    ping(heartbeat, now)
    assert session.dead


def test_an_unsolicited_pong_changes_nothing(heartbeat: Heartbeat, now: list[float]) -> None:
    before = heartbeat.deadline
    now[0] += 5
    heartbeat.ponged()
    assert heartbeat.deadline == before


@pytest.mark.parametrize(("late", "expected"), [(1.0, TIMEOUT - 1.0), (TIMEOUT, TIMEOUT)])
def test_the_time_for_a_pong_counts_from_the_deadline_unless_the_loop_was_blocked(
    heartbeat: Heartbeat, now: list[float], late: float, expected: float
) -> None:
    ping(heartbeat, now, late)
    assert heartbeat.deadline == now[0] + expected


def test_a_peer_that_reads_has_longer(heartbeat: Heartbeat, session: Session, now: list[float]) -> None:
    session.transport.unsent = 1000
    ping(heartbeat, now)
    session.transport.unsent = 500
    ping(heartbeat, now)
    assert (session.dead, heartbeat.deadline) == (False, now[0] + TIMEOUT)
    ping(heartbeat, now)  # nothing was read since
    assert session.dead


def test_a_peer_that_was_not_read_has_longer(heartbeat: Heartbeat, session: Session, now: list[float]) -> None:
    ping(heartbeat, now)
    session.transport.reads_resume_at = now[0] + 5
    ping(heartbeat, now)
    assert (session.dead, heartbeat.deadline) == (False, session.transport.reads_resume_at + TIMEOUT)


def test_the_time_for_a_pong_begins_when_the_ping_has_left_the_backlog(
    heartbeat: Heartbeat, session: Session, now: list[float]
) -> None:
    session.backlog = Backlog(Memory(1 << 40, list), now[0])
    session.backlog.add([Encoded(b"4" * 100)])
    ping(heartbeat, now)
    assert (session.sent, heartbeat.deadline) == ([], None)
    assert session.backlog.urgent is not None
    now[0] += 60
    heartbeat.ping_written()
    assert heartbeat.deadline == now[0] + TIMEOUT


def test_a_stopped_heartbeat_does_nothing(heartbeat: Heartbeat, session: Session) -> None:
    heartbeat.stop()
    heartbeat.expire()
    assert (heartbeat.deadline, session.sent, session.dead) == (None, [], False)
