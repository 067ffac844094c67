"""The two times of a log: wall-clock time, and log time, by which events expire.

An event's ``ts`` is the time of the wall clock, right or wrong. Log time measures how long the log exists, so that a
wall clock that is wrong for a while does not expire new events. The rule and its reasons:
docs/decisions/0010-log-time.md.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import NamedTuple

import msgspec

from jupyter_rtmsg.logthrottle import throttled_logger

MINUTE = 60_000  # ms
HOUR = 60 * MINUTE
_WARN_EVERY = 10_000  # ms between two warnings: a clock may jump back and forth

logger = throttled_logger(__name__)


def steady_clock() -> Callable[[], float]:
    """Return a clock (s) that cannot be set, and that continues while the machine sleeps, if the system has one.

    Some sandboxes lack CLOCK_BOOTTIME although the headers define it (gVisor issue 218). On macOS CLOCK_MONOTONIC
    continues during sleep; `time.monotonic` does not.
    """
    number = getattr(time, "CLOCK_BOOTTIME", None)
    if sys.platform == "darwin":
        number = time.CLOCK_MONOTONIC
    if number is None:
        return time.monotonic
    clock = partial(time.clock_gettime, number)
    try:
        clock()
    except OSError:
        return time.monotonic
    return clock


def stamp(now: int, last: int) -> int:
    """Return the ``ts`` of a new event (ms): the wall clock's time, which does not go back by a small correction.

    Parameters
    ----------
    now : int
        Time of the wall clock (ms).
    last : int
        The newest ``ts`` (ms). If it is more than a minute ahead, the clock was wrong then, and it is ignored.
    """
    return now if last - now > MINUTE else max(now, last)


class ClockState(NamedTuple):
    """The stored state of a `LogClock`, in ms.

    Attributes
    ----------
    time : int
        Log time.
    offset : int
        The difference from wall clock to log time, if the wall clock is right.
    due : int
        By how much the wall clock is ahead of log time, not accepted yet; 0 for nothing.
    held : int
        For how long the wall clock has been ahead by at least ``due``.
    """

    time: int
    offset: int = 0
    due: int = 0
    held: int = 0


class LogClock:
    """Log time. It never goes back, and advances as time really passes.

    It follows the wall clock as long as that advances like the monotonic clock, within an hour. While the log is open,
    a larger jump of the wall clock changes nothing. When the log is opened, only the wall clock tells how long it was
    closed. If that is more than an hour, it is accepted once the wall clock has been ahead by it for an hour, which may
    be spread over several openings. Until a log has been open for an hour, a jump counts as part of its opening, since
    a machine without a battery sets its clock then.

    Thread-safe. There is no timer: `look` is called when there is other work.

    Parameters
    ----------
    wall : callable
        Returns seconds since 1970.
    monotonic : callable
        Returns seconds of a clock that cannot be set.
    newest : int
        Log time of the last stored event (ms); 0 for an empty log, whose log time begins with the wall clock.
    stored : bytes, optional
        The stored state, from `encode_state`.
    ts : int
        The newest stored ``ts`` (ms).
    usual : float
        Seconds for which a log may have been closed without a warning at its opening.

    Attributes
    ----------
    time : int
        Log time (ms) at the last `look`.
    wall : int
        Time of the wall clock (ms since 1970) at the last `look`.
    """

    # `_offset`, `_due` and `_held` are those of `ClockState`. Two states, by `_stable`:
    # - opening: for the first hour, or until `_due` is accepted, a jump of the wall clock may be time for which the log
    #   was closed, so `_offset` stays. A log that is new begins as stable.
    # - stable: a jump of the wall clock is an error of it, and goes into `_offset`.

    def __init__(
        self,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        newest: int = 0,
        stored: bytes | None = None,
        *,
        ts: int = 0,
        usual: float = 0.0,
    ) -> None:
        self._read_wall = wall
        self._read_monotonic = monotonic
        self._lock = threading.Lock()
        self.wall, self._monotonic = int(wall() * 1000), int(monotonic() * 1000)
        self._warned_at = self._monotonic - _WARN_EVERY
        self._store_at = 0  # log time from which on the state is to be stored
        self._open_for = 0  # ms since the opening, or since the last jump after it
        before = decode_state(stored)
        self._stable = not newest and before is None
        self._offset, self._due, self._held = before[1:] if before else (0, 0, 0)
        self.time = max(newest, before.time if before else 0) or self.wall
        self._opened(ts, usual)
        self._advance(0)

    @property
    def state(self) -> ClockState:
        """The state to be stored; call `stored` with it afterwards."""
        with self._lock:
            return ClockState(self.time, self._offset, self._due, self._held)

    @property
    def stale(self) -> bool:
        """Whether the state should be stored with the next commit."""
        return self.time >= self._store_at

    def stored(self, state: ClockState) -> None:
        """Record that a state was stored."""
        with self._lock:
            if state.offset == self._offset:
                self._store_at = state.time + MINUTE

    def look(self) -> int:
        """Read both clocks, and return log time (ms)."""
        with self._lock:
            wall, monotonic = int(self._read_wall() * 1000), int(self._read_monotonic() * 1000)
            if wall == self.wall and monotonic == self._monotonic:  # the same millisecond, as with most commits
                return self.time
            passed = monotonic - self._monotonic
            jump = wall - self.wall - passed
            self.wall, self._monotonic = wall, monotonic
            self._open_for += passed
            if not -MINUTE <= jump <= HOUR:
                self._jumped(jump)
            self._advance(passed)
            return self.time

    def at(self, wall: float) -> float:
        """Convert a time of the wall clock to log time (both in seconds), by their present difference."""
        with self._lock:
            return wall + (self.time - self.wall) / 1000

    def _advance(self, passed: int) -> None:
        due = self.wall + self._offset - self.time
        gap = due - passed  # by how much the wall clock is ahead
        if gap > HOUR and self._offset > 0:  # perhaps a correction, after it went back while the log was open
            undone = min(self._offset, gap)
            self._offset, due, gap = self._offset - undone, due - undone, gap - undone
            self._store_at = 0
        if -HOUR <= gap <= HOUR:
            if due > 0:
                self.time += due
            self._due = self._held = 0
        else:
            self.time += passed
            if gap > HOUR:
                self._hold(gap, passed)
        if not self._stable and self._open_for >= HOUR and not self._due:
            self._become_stable(gap)

    def _hold(self, gap: int, passed: int) -> None:
        """The wall clock is far ahead: accept the least lead that it has had for an hour."""
        self._due, self._held = (min(self._due, gap), self._held + passed) if self._due else (gap, 0)
        if self._held >= HOUR:
            logger.info("the system clock has held for an hour: the log was closed for %s", _span(self._due))
            self.time += self._due
            self._due = self._held = self._store_at = 0

    def _become_stable(self, gap: int) -> None:
        self._stable = True
        if gap < -HOUR:  # the wall clock was ahead before, and log time has followed it
            self._offset -= gap
            self._store_at = 0

    def _jumped(self, jump: int) -> None:
        if not self._stable:
            self._open_for = 0
        elif jump > HOUR or jump < -2 * HOUR:  # going back by about an hour may undo an accepted correction
            self._offset -= jump
            self._store_at = 0
        self._warn(logging.WARNING, jump, "while the log was open")

    def _opened(self, ts: int, usual: float) -> None:
        gap = min(self.wall + self._offset - self.time, self.wall - ts)
        if not -MINUTE <= gap <= HOUR:
            expected = 0 < gap < usual * 1000  # the log was merely closed
            self._warn(logging.INFO if expected else logging.WARNING, gap, "since the log was last written")

    def _warn(self, level: int, jump: int, when: str) -> None:
        """Log a jump with the times before and after, but not too often."""
        if self._monotonic - self._warned_at < _WARN_EVERY:
            return
        self._warned_at = self._monotonic
        logger.log(
            level,
            "the system clock went %s by %s %s: from %s to %s. New events get its present time. Stored events do not "
            "expire by the jump, but by the time for which the log was closed, once the clock has held for an hour",
            "forward" if jump > 0 else "back", _span(abs(jump)), when, _date(self.wall - jump), _date(self.wall),
        )  # fmt: skip


def encode_state(state: ClockState) -> bytes:
    """Encode a state for the file."""
    return msgspec.json.encode(state)


def decode_state(stored: bytes | None) -> ClockState | None:
    """Decode the result of `encode_state`; return None if there is none, or if it is damaged."""
    if stored is None:
        return None
    try:
        return msgspec.json.decode(stored, type=ClockState)
    except (msgspec.DecodeError, TypeError) as error:
        logger.warning("the state of the log's clock is damaged and was ignored: %s", error)
        return None


def _span(ms: int) -> timedelta:
    return timedelta(seconds=ms // 1000)


def _date(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return f"{ms} ms"
