"""The policies of rooms: how much each may hold, and what happens when it is full.

A policy is set in order with the appends, as a draft with the name `POLICY`. So a `Batch` decides with the policies
that hold at that moment, and a transaction that fails leaves no trace. Table ``policy`` has a row per room, by name:
a room may have a policy before its first event.
"""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import Callable, Mapping

import msgspec

from jupyter_rtmsg.logthrottle import throttled_logger

from .options import Options
from .records import Appended, Draft

POLICY = "$policy"
"""Name of the draft that sets the policy of its room, in order with the appends."""

MOST = 20_000
"""Policies that a log keeps. Beyond that, those of empty rooms that were not used for longest are dropped."""

FORGOTTEN_AFTER = 86_400_000
"""Ms of log time after which a room without events that nobody used is forgotten: its maker, and its policy."""

_COLUMNS = "room, count, age, bytes, refuse, used, crc"

logger = throttled_logger(__name__)


class Policy(msgspec.Struct, frozen=True):
    """How much a room may hold. A limit that is None is that of the log.

    Attributes
    ----------
    count : int or None
        Events.
    age : float or None
        Seconds of log time for which an event is kept.
    bytes : int or None
        Bytes of data and attachments of all events together. A larger event is refused.
    refuse : bool
        Whether a room that has reached ``count`` or ``bytes`` refuses events. Otherwise old events are deleted.
    used : int
        When it was set (ms of log time).
    """

    count: int | None = None
    age: float | None = None
    bytes: int | None = None
    refuse: bool = False
    used: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether it limits nothing."""
        return self.count is None and self.age is None and self.bytes is None


class RoomPolicies:
    """The policies of a log's rooms, for the event loop.

    Parameters
    ----------
    current : callable
        Returns the policies that hold, by room.
    append : callable
        Appends a draft; see `EventLog.append`.
    limits : Policy
        Those of the log, which hold for all rooms.
    """

    def __init__(
        self,
        current: Callable[[], Mapping[str, Policy]],
        append: Callable[[Draft], asyncio.Future[Appended]],
        limits: Policy,
    ) -> None:
        self._current = current
        self._append = append
        self.limits = limits

    def all(self) -> Mapping[str, Policy]:
        """Return the policies of all rooms that have one."""
        return self._current()

    def get(self, room: str) -> Policy | None:
        """Return the policy of a room; None if it has none."""
        return self._current().get(room)

    def set(self, room: str, policy: Policy) -> asyncio.Future[Appended]:
        """Set the policy of a room, in order with the appends. One that limits nothing removes it.

        Returns
        -------
        asyncio.Future
            Done once it is stored. It fails as `EventLog.append` does.
        """
        return self._append(Draft(room, POLICY, msgspec.json.encode(policy)))


def limits_of(options: Options) -> Policy:
    """Return the limits of a log on the events of each room."""
    return Policy(options.max_events, options.max_age, options.max_bytes)


# --- in the file


def move_policies(source: sqlite3.Connection, target: sqlite3.Connection, time: int) -> dict[str, Policy | None]:
    """Copy the policies of a log in memory into a file at its log time (ms), in a transaction, and return them.

    They replace the file's, since they were set later.
    """
    policies = load_policies(source).items()
    moved: dict[str, Policy | None] = {room: msgspec.structs.replace(each, used=time) for room, each in policies}
    save_policies(target, moved)
    return moved


def policy_crc(room: str, policy: Policy) -> int:
    """Return the crc32 of a policy's row."""
    return zlib.crc32(f"{policy.count},{policy.age},{policy.bytes},{policy.refuse:d},{policy.used},{room}".encode())


def save_policies(connection: sqlite3.Connection, changed: Mapping[str, Policy | None]) -> None:
    """Store changed policies, in a transaction."""
    gone = [(room,) for room, policy in changed.items() if policy is None]
    rows = [_row(room, policy) for room, policy in changed.items() if policy is not None]
    connection.executemany("DELETE FROM policy WHERE room = ?", gone)
    connection.executemany(f"INSERT OR REPLACE INTO policy({_COLUMNS}) VALUES(?, ?, ?, ?, ?, ?, ?)", rows)


def load_policies(connection: sqlite3.Connection) -> dict[str, Policy]:
    """Return the policies in a file. One that is damaged is left out: its room has the limits of the log."""
    policies: dict[str, Policy] = {}
    for room, policy in read_policies(connection):
        if policy is None:
            logger.warning("the policy of room %.200r is damaged on disk; the room has the limits of the log", room)
        else:
            policies[room] = policy
    return policies


def read_policies(connection: sqlite3.Connection) -> list[tuple[str, Policy | None]]:
    """Return room and policy of every row in a file; None for a row that does not match its checksum."""
    return [_policy(*row) for row in connection.execute(f"SELECT {_COLUMNS} FROM policy")]  # noqa: S608 -- constants


def _row(room: str, policy: Policy) -> tuple[object, ...]:
    return (room, policy.count, policy.age, policy.bytes, policy.refuse, policy.used, policy_crc(room, policy))


def _policy(
    room: object, count: object, age: object, bytes: object, refuse: object, used: object, crc: object
) -> tuple[str, Policy | None]:
    try:
        fields = {"count": count, "age": age, "bytes": bytes, "refuse": bool(refuse), "used": used}
        policy = msgspec.convert(fields, Policy)
        intact = isinstance(room, str) and policy_crc(room, policy) == crc
    except (msgspec.ValidationError, TypeError, ValueError):
        intact = False
    return str(room), policy if intact else None
