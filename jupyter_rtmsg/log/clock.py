"""The two times of a log: what the wall clock says, and log time, by which things expire.

An event's ``ts`` is the wall clock's, right or wrong. Log time is what goes by while the log exists: a wall clock that
is wrong for a while must not expire what was just stored. The rule and its reasons:
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
_TELL_EVERY = 10_000  # ms between two warnings: a clock may flap

logger = throttled_logger(__name__)


def steady_clock() -> Callable[[], float]:
    """Return a clock (s) that nobody sets, and that goes on while the machine sleeps, where there is one.

    Some sandboxes know no CLOCK_BOOTTIME although the headers do (gVisor 218). On macOS CLOCK_MONOTONIC goes on
    during sleep, which `time.monotonic` does not.
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
    """Return the ``ts`` of an event (ms): the wall clock's, but not before the last one for a small correction.

    Parameters
    ----------
    now : int
        What the wall clock says.
    last : int
        The newest ``ts``. If it is more than a minute ahead, the clock was wrong then.
    """
    return now if last - now > MINUTE else max(now, last)


class ClockState(NamedTuple):
    """What is stored of a `LogClock`, all in ms.

    Attributes
    ----------
    time : int
        Log time.
    offset : int
        What to add to the wall clock to get log time, were the wall clock believed.
    due : int
        By how much the wall clock is ahead of that, not believed yet; 0 for nothing.
    held : int
        For how long the wall clock has been ahead by ``due`` at least.
    """

    time: int
    offset: int = 0
    due: int = 0
    held: int = 0


class LogClock:
    """Log time: it never goes back, and advances as time really passes.

    It follows the wall clock as long as that advances like the monotonic clock, within an hour. While the log is open,
    a larger jump of the wall clock changes nothing. When the log is opened, nobody but the wall clock knows how long it
    was closed: more than an hour of that is taken once the wall clock has held for an hour, which may be spread over
    several openings. Until a log has been open for an hour, a jump belongs to its opening, since that is when a machine
    without a battery sets its clock.

    Thread-safe. There is no timer: `look` is called when there is work anyway.

    Parameters
    ----------
    wall : callable
        Seconds since 1970.
    monotonic : callable
        Seconds, of a clock that nobody sets.
    newest : int
        The newest log time of what is stored (ms); 0 for an empty log, whose log time begins with the wall clock.
    stored : bytes, optional
        What `encode_state` made of the state before.
    ts : int
        The newest ``ts`` that is stored (ms).
    usual : float
        Seconds for which a log may have been closed without a warning at its opening.

    Attributes
    ----------
    time : int
        Log time at the last look (ms).
    wall : int
        What the wall clock said then (ms since 1970).
    """

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
        self.wall, self._ran = int(wall() * 1000), int(monotonic() * 1000)
        self._told = self._ran - _TELL_EVERY
        self._store_at = 0
        self._open_for = 0  # ms since the opening, or the last jump after it
        before = decode_state(stored)
        self._settled = not newest and before is None  # whether a jump is one, and does not belong to the opening
        self._offset, self._due, self._held = before[1:] if before else (0, 0, 0)
        self.time = max(newest, before.time if before else 0) or self.wall
        self._opened(ts, usual)
        self._advance(0)

    @property
    def state(self) -> ClockState:
        """What is to be stored, and given to `stored` then."""
        with self._lock:
            return ClockState(self.time, self._offset, self._due, self._held)

    @property
    def stale(self) -> bool:
        """Whether what is stored is so different that the state should be stored with the next commit."""
        return self.time >= self._store_at

    def stored(self, state: ClockState) -> None:
        """Take note that a state was stored."""
        with self._lock:
            if state.offset == self._offset:
                self._store_at = state.time + MINUTE

    def look(self) -> int:
        """Look at both clocks, and return log time (ms)."""
        with self._lock:
            wall, ran = int(self._read_wall() * 1000), int(self._read_monotonic() * 1000)
            if wall == self.wall and ran == self._ran:  # the same millisecond, as with most commits
                return self.time
            passed = ran - self._ran
            jump = wall - self.wall - passed
            self.wall, self._ran = wall, ran
            self._open_for += passed
            if not -MINUTE <= jump <= HOUR:
                self._jumped(jump)
            self._advance(passed)
            return self.time

    def at(self, wall: float) -> float:
        """Return log time when the wall clock says so (both in seconds), as far as one knows now."""
        with self._lock:
            return wall + (self.time - self.wall) / 1000

    def _advance(self, passed: int) -> None:
        due = self.wall + self._offset - self.time
        gap = due - passed  # by how much the wall clock is ahead
        if gap > HOUR and self._offset > 0:  # it may be put right again that had gone back while the log was open
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
        if not self._settled and self._open_for >= HOUR and not self._due:
            self._settle(gap)

    def _hold(self, gap: int, passed: int) -> None:
        """The wall clock is far ahead: believe what it was ahead of by at least, for an hour."""
        self._due, self._held = (min(self._due, gap), self._held + passed) if self._due else (gap, 0)
        if self._held >= HOUR:
            logger.info("the system clock has held for an hour: the log was closed for %s", _span(self._due))
            self.time += self._due
            self._due = self._held = self._store_at = 0

    def _settle(self, gap: int) -> None:
        self._settled = True
        if gap < -HOUR:  # the wall clock was ahead before, and log time has followed it
            self._offset -= gap
            self._store_at = 0

    def _jumped(self, jump: int) -> None:
        if not self._settled:
            self._open_for = 0
        elif jump > HOUR or jump < -2 * HOUR:  # back by about an hour may give back what was taken before
            self._offset -= jump
            self._store_at = 0
        self._tell(logging.WARNING, jump, "while the log was open")

    def _opened(self, ts: int, usual: float) -> None:
        gap = min(self.wall + self._offset - self.time, self.wall - ts)
        if not -MINUTE <= gap <= HOUR:
            quiet = 0 < gap < usual * 1000  # the log was closed, that is all
            self._tell(logging.INFO if quiet else logging.WARNING, gap, "since the log was last written")

    def _tell(self, level: int, jump: int, when: str) -> None:
        """Name both times, once."""
        if self._ran - self._told < _TELL_EVERY:
            return
        self._told = self._ran
        logger.log(
            level,
            "the system clock went %s by %s %s: from %s to %s. New events are stamped with what it says now. What is "
            "kept does not expire by this, but by the time that the log was closed, once the clock held for an hour",
            "forward" if jump > 0 else "back", _span(abs(jump)), when, _date(self.wall - jump), _date(self.wall),
        )  # fmt: skip


def encode_state(state: ClockState) -> bytes:
    """Encode a state for the file."""
    return msgspec.json.encode(state)


def decode_state(stored: bytes | None) -> ClockState | None:
    """Return what `encode_state` was given, or None if there is nothing, or it was damaged."""
    if stored is None:
        return None
    try:
        return msgspec.json.decode(stored, type=ClockState)
    except (msgspec.DecodeError, TypeError) as error:
        logger.warning("the state of the log's clock is damaged and was left out: %s", error)
        return None


def _span(ms: int) -> timedelta:
    return timedelta(seconds=ms // 1000)


def _date(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return f"{ms} ms"
