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
from typing import NamedTuple

import msgspec

MINUTE = 60_000  # ms
HOUR = 60 * MINUTE
_TELL_EVERY = 10_000  # ms between two warnings: a clock may flap

logger = logging.getLogger(__name__)


def boot_time() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while the machine sleeps, where there is one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":  # time.monotonic() stands still there while the machine sleeps
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


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

    def worth_storing(self, stored: ClockState | None) -> bool:
        """Whether it is so different from what is stored that it should be stored again."""
        return stored is None or self.offset != stored.offset or self.time - stored.time >= MINUTE


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
        self._wall, self._ran = _ms(wall()), _ms(monotonic())
        self._told = self._ran - _TELL_EVERY
        self._open_for = 0  # ms since the opening, or the last jump after it
        before = decode_state(stored)
        self._settled = not newest and before is None  # whether a jump is one, and does not belong to the opening
        self._offset, self._due, self._held = before[1:] if before else (0, 0, 0)
        self._time = max(newest, before.time if before else 0) or self._wall
        self._opened(ts, usual)

    @property
    def time(self) -> int:
        """Log time at the last look (ms)."""
        return self._time

    @property
    def wall(self) -> int:
        """What the wall clock said at the last look (ms since 1970)."""
        return self._wall

    @property
    def state(self) -> ClockState:
        """What must be stored."""
        with self._lock:
            return ClockState(self._time, self._offset, self._due, self._held)

    def look(self) -> int:
        """Look at both clocks, and return log time (ms)."""
        with self._lock:
            wall, ran = _ms(self._read_wall()), _ms(self._read_monotonic())
            passed = max(0, ran - self._ran)
            jump = wall - self._wall - passed
            self._wall, self._ran = wall, ran
            if not -MINUTE <= jump <= HOUR:
                self._jumped(jump)
            self._advance(passed)
            return self._time

    def at(self, wall: float) -> float:
        """Return log time when the wall clock says so (both in seconds), as far as one knows now."""
        with self._lock:
            return wall + (self._time - self._wall) / 1000

    def _advance(self, passed: int) -> None:
        gap = self._wall + self._offset - self._time - passed  # by how much the wall clock is ahead
        if -HOUR <= gap <= HOUR:
            self._time = max(self._time, self._wall + self._offset)
            self._due = self._held = 0
        else:
            self._time += passed
            if gap > HOUR:
                self._hold(gap, passed)
        if not self._settled:
            self._settle(gap, passed)

    def _hold(self, gap: int, passed: int) -> None:
        """The wall clock is far ahead: believe what it was ahead of by at least, for an hour."""
        self._due = min(self._due or gap, gap)
        self._held += passed
        if self._held >= HOUR:
            logger.info("the system clock has held for an hour: the log was closed for %s", _span(self._due))
            self._time += self._due
            self._due = self._held = 0

    def _settle(self, gap: int, passed: int) -> None:
        self._open_for += passed
        if self._open_for >= HOUR and not self._due:
            self._settled = True
            if gap < -HOUR:  # it was ahead before, and log time has followed it
                self._offset -= gap

    def _jumped(self, jump: int) -> None:
        if not self._settled:
            self._open_for = 0
        elif abs(jump) > HOUR:
            self._offset -= jump
        self._tell(logging.WARNING, jump, "while the log was open")

    def _opened(self, ts: int, usual: float) -> None:
        gap = min(self._wall + self._offset - self._time, self._wall - ts)
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
            "forward" if jump > 0 else "back", _span(abs(jump)), when, _date(self._wall - jump), _date(self._wall),
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


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _span(ms: int) -> timedelta:
    return timedelta(seconds=ms // 1000)


def _date(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return f"{ms} ms"
