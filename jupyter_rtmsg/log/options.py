"""The settings of a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .clock import steady_clock
from .retained import Bounds

MIB = 1 << 20
DAY = 86_400


@dataclass(frozen=True)
class Options:
    """The settings of a log; every limit has a default.

    Attributes
    ----------
    durability : {"full", "process"}
        ``full``: an acknowledged event survives a power loss, if the disk honours a flush.
        ``process``: it survives only the death of this process.
    max_events : int
        Events kept per room.
    max_age : float
        Seconds of log time for which an event is kept (see `LogClock`).
    max_bytes : int
        Bytes of all events together, including `tallies.EVENT_OVERHEAD` for each.
    dedup_age, dedup_count : float, int
        Window of the ids that clients made up: seconds of log time, and number of ids.
    explicit_age, explicit_count : float, int
        Window of the ids that publishers chose: seconds of log time, and number of ids of each principal.
    retained_keys, retained_bytes : int
        Retained values of a room, and their bytes. Of one principal they take at most a tenth of ``max_bytes``, of all
        a quarter.
    max_queue, max_queue_bytes : int
        Number and bytes of appends that may wait for the disk.
    tail_events, tail_bytes : int
        Number and bytes of the newest events, kept in memory for `EventLog.follow`.
    ballast : int
        Bytes reserved on the disk, so that the log can be trimmed when the disk is full.
    clock : callable
        Returns seconds since 1970.
    monotonic : callable
        Returns seconds of a clock that cannot be set. The default continues while the machine sleeps, if the system has
        such a clock.
    """

    durability: Literal["full", "process"] = "full"
    max_events: int = 100_000
    max_age: float = 30 * DAY
    max_bytes: int = 256 * MIB
    dedup_age: float = DAY
    dedup_count: int = 1_000_000
    explicit_age: float = DAY
    explicit_count: int = 100_000
    retained_keys: int = 1_000
    retained_bytes: int = MIB
    max_queue: int = 10_000
    max_queue_bytes: int = 64 * MIB
    tail_events: int = 10_000
    tail_bytes: int = 8 * MIB
    ballast: int = 4 * MIB
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = field(default_factory=steady_clock)

    @property
    def bounds(self) -> Bounds:
        """How much may be retained."""
        return Bounds(self.retained_keys, self.retained_bytes, self.max_bytes // 10, self.max_bytes // 4)

    def __post_init__(self) -> None:
        if self.durability not in ("full", "process"):
            raise ValueError(f"durability is {self.durability!r}; choose 'full' or 'process'")
        for name in (
            "max_events",
            "max_age",
            "max_bytes",
            "max_queue",
            "max_queue_bytes",
            "retained_keys",
            "retained_bytes",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be more than 0")
