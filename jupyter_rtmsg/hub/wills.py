"""Wills: events that the hub publishes for members that are lost.

A member that leaves takes its will back. One whose connection broke and that is not back after the grace time is lost;
then its will is published, once. Wills are stored beside the events, so they outlive the hub: after its start, members
of before have some time to come back. A hub that shuts down publishes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

import msgspec

from jupyter_rtmsg.errors import LimitExceeded, LogBusy, LogClosed, LogDiskError, LogFull, TooLarge
from jupyter_rtmsg.log import Appended, Draft, EventLog
from jupyter_rtmsg.logthrottle import throttled_logger

from .limits import Limits

_PREFIX = "will:"
_KEPT = 10 * 366 * 86_400.0  # seconds for which a will is stored at most
_CLIENT = "will"
RETRY_AFTER = 10.0
"""Seconds until a will that could not be stored is published again."""

logger = throttled_logger(__name__)


class Will(msgspec.Struct, frozen=True):
    """What is published if a member is lost.

    Attributes
    ----------
    room, member, user : str
    event, data, attachments, retain
        Of the event, as in `Draft`.
    sender : bytes
        The ``from`` object of the member, as JSON.
    id : str
        Identifies it, so that it is stored once.
    """

    room: str
    member: str
    user: str
    event: str
    data: bytes
    attachments: tuple[bytes, ...]
    retain: str | None
    sender: bytes
    id: str = ""

    @property
    def size(self) -> int:
        """The bytes of its data and attachments."""
        return len(self.data) + sum(map(len, self.attachments))

    def is_like(self, other: Will | None) -> bool:
        """Tell whether another will would publish the same."""
        return other is not None and msgspec.structs.replace(other, id=self.id) == self


class Wills:
    """The wills of the members of all rooms.

    Parameters
    ----------
    log : EventLog
        Its key-value store has the wills.
    limits : Limits
    is_present : callable
        ``is_present(room, member)`` tells whether a member is in a room, or may still come back to it.
    """

    # A will is in `_wills`, and in the log's store, from `arm` until `forget`, or until it is published. `_sizes` has
    # the bytes of each user. `_timers` are those of `_decide`, which publishes wills whose members are not back.

    def __init__(self, log: EventLog, limits: Limits, is_present: Callable[[str, str], bool]) -> None:
        self._log = log
        self._limits = limits
        self._is_present = is_present
        self._wills: dict[tuple[str, str], Will] = {}
        self._sizes: Counter[str] = Counter()
        self._timers: set[asyncio.TimerHandle] = set()

    def __len__(self) -> int:
        return len(self._wills)

    async def load(self) -> None:
        """Load the wills that an earlier hub has stored, and publish them unless their members come back soon."""
        for key, value, _ in await self._log.key_values.all():
            if not key.startswith(_PREFIX):
                continue
            try:
                will = msgspec.msgpack.decode(value, type=Will)
            except msgspec.DecodeError as error:
                logger.warning("a will is damaged on disk, and dropped: %s", error)
                self._log.key_values.put(key, None, 0.0)
                continue
            self._hold(will)
        if self._wills:
            self._later(self._limits.restart_grace, partial(self._decide, list(self._wills.values())))

    async def arm(self, will: Will) -> None:
        """Store the will of a member that is about to join, in place of its earlier one.

        Raises
        ------
        TooLarge, LimitExceeded
            If it is too large, or its user would have too many.
        """
        held = self._wills.get((will.room, will.member))
        if will.is_like(held):
            return
        limits, size = self._limits, will.size
        if size > limits.will:
            raise TooLarge(
                f"the will has {size} bytes, more than the {limits.will} allowed: send where it can be found"
            )
        mine = self._sizes[will.user] + size - (held.size if held else 0)
        total = self._sizes.total() + size - (held.size if held else 0)
        if mine > limits.wills or total > limits.wills_in_all:
            raise LimitExceeded(
                f"the wills of {will.user} would have {mine} bytes (at most {limits.wills}), and those of all {total} "
                f"(at most {limits.wills_in_all}): join fewer rooms with a will, or make it smaller"
            )
        self._hold(msgspec.structs.replace(will, id=secrets.token_hex(8)))
        await self._save(self._wills[will.room, will.member])

    def not_joined(self, room: str, member: str, before: Will | None) -> None:
        """Learn that a join failed. A member that had a will ``before`` may come back; else its will is dropped."""
        if before is None:
            self.forget(room, member)
        else:
            self._later(self._limits.grace, partial(self._decide, [before]))

    def held(self, room: str, member: str) -> Will | None:
        """Return the will of a member; None if it has none."""
        return self._wills.get((room, member))

    def forget(self, room: str, member: str) -> None:
        """Drop the will of a member, which has left."""
        will = self._drop(room, member)
        if will is not None:
            self._log.key_values.put(_key(will), None, 0.0)

    def forget_room(self, room: str) -> None:
        """Drop the wills in a room, which was deleted."""
        for name, member in [each for each in self._wills if each[0] == room]:
            self.forget(name, member)

    def lost(self, room: str, member: str) -> None:
        """Publish the will of a member that is lost."""
        will = self._wills.get((room, member))
        if will is not None:
            self._publish(will)

    def save_again(self) -> None:
        """Store all wills, since the log was replaced."""
        for will in self._wills.values():
            self._log.key_values.put(_key(will), msgspec.msgpack.encode(will), self._until())

    def close(self) -> None:
        """Publish nothing more: the hub shuts down, and the next one decides."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _decide(self, wills: Iterable[Will]) -> None:
        for will in wills:
            held = self._wills.get((will.room, will.member))
            if held is not None and not self._is_present(will.room, will.member):
                self._publish(held)

    def _publish(self, will: Will) -> None:
        # Until the will is deleted it has an id, with which the log stores it once, also if the hub dies in between.
        draft = Draft(
            will.room, will.event, will.data, will.attachments, will.sender, will.user, _CLIENT, will.id, auto=True,
            retain=will.retain,
        )  # fmt: skip
        try:
            self._log.submit(draft, partial(self._published, will))
        except (LogBusy, LogClosed) as error:
            self._published(will, error)

    def _published(self, will: Will, outcome: Appended | Exception) -> None:
        if isinstance(outcome, LogClosed):
            return  # the next hub publishes it
        if isinstance(outcome, (LogBusy, LogFull, LogDiskError)):
            self._later(RETRY_AFTER, partial(self._decide, [will]))
            return
        if isinstance(outcome, Exception):
            logger.warning("the will of member %s in room %r was refused: %s", will.member, will.room, outcome)
        if self._wills.get((will.room, will.member)) is will:
            self.forget(will.room, will.member)

    def _later(self, seconds: float, function: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            function()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)

    def _hold(self, will: Will) -> None:
        self._drop(will.room, will.member)
        self._wills[will.room, will.member] = will
        self._sizes[will.user] += will.size

    def _drop(self, room: str, member: str) -> Will | None:
        will = self._wills.pop((room, member), None)
        if will is not None:
            self._sizes[will.user] -= will.size
            if not self._sizes[will.user]:
                del self._sizes[will.user]
        return will

    async def _save(self, will: Will) -> None:
        await self._log.key_values.put(_key(will), msgspec.msgpack.encode(will), self._until())

    def _until(self) -> float:
        return self._log.now() / 1000 + _KEPT


def _key(will: Will) -> str:
    return _PREFIX + hashlib.blake2b(f"{will.room}\0{will.member}".encode(), digest_size=16).hexdigest()
