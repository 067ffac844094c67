"""Uploads: the parts of large events on their way, until a ``publish`` makes one event of them (docs/wire.md)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Any

from jupyter_rtmsg.errors import BadRequest, LimitExceeded, LogPartsMissing, NotStaged, TooLarge
from jupyter_rtmsg.log import Appended, EventLog, Parts, new_key

from .limits import Limits
from .room import Participant


class Upload:
    """The parts of one event that is not published yet.

    Attributes
    ----------
    key : int
        What its parts are stored under.
    name, principal : str
    of, size : int
        The number of its parts, and their bytes, as its client announced them.
    crc : int
        The crc32 of the bytes so far.
    used : float
        When the last part came (monotonic seconds).
    committing : bool
        Whether its event is on the way to the log.
    dropped : bool
        Whether it was given up.
    """

    # *Receiving* until all parts are stored, then *complete*, then *committing*; which ends it, or not.
    # `_lengths` has the bytes of each part that came, `_stored` the number of parts that are on disk.

    def __init__(self, name: str, principal: str, of: int, size: int) -> None:
        self.key = new_key()
        self.name, self.principal = name, principal
        self.of, self.size = of, size
        self.crc = 0
        self.used = 0.0
        self.committing = self.dropped = False
        self._lengths: list[int] = []
        self._stored = 0

    @property
    def received(self) -> int:
        """Bytes so far."""
        return sum(self._lengths)

    @property
    def parts(self) -> Parts:
        """What the log needs to know."""
        return Parts(self.key, self.of, self.size)

    def add(self, number: int, data: bytes) -> bool:
        """Take a part, and return whether it is a new one.

        Raises
        ------
        BadRequest
            If it is not the next one, or the bytes do not add up.
        """
        if number < len(self._lengths):
            if len(data) != self._lengths[number]:
                raise BadRequest(f"part {number} had {self._lengths[number]} bytes before, and has {len(data)} now")
            return False
        total = self.received + len(data)
        if number > len(self._lengths):
            raise BadRequest(f"part {number} came before part {len(self._lengths)}: send the parts in order")
        if total > self.size or (number == self.of - 1) != (total == self.size):
            raise BadRequest(
                f"part {number} of {self.of} ends at {total} bytes of {self.size}: the sizes do not add up"
            )
        self._lengths.append(len(data))
        self.crc = zlib.crc32(data, self.crc)
        return True

    def stored(self) -> None:
        """Count a part that is on disk."""
        self._stored += 1

    def begin_commit(self) -> None:
        """Record that its event is on the way; raise `NotStaged` unless all parts are stored."""
        if self._stored < self.of or self.committing:
            raise NotStaged(
                f"{self._stored} of the {self.of} parts of upload {self.name!r} are stored: publish it when the "
                "last one is acknowledged"
            )
        self.committing = True

    def end_commit(self) -> None:
        """Record that its event was refused, and may be published again."""
        self.committing = False

    def drop(self) -> None:
        """Record that it was given up."""
        self.dropped = True

    def touch(self, now: float) -> None:
        """Record that a part came."""
        self.used = now


class Staging:
    """The uploads of all connections. Their parts are in the log's file already, under keys that no event has.

    An upload is dropped with its connection, and `Limits.staging_time` after its last part. Nothing runs without one.

    Parameters
    ----------
    log : EventLog
    limits : Limits
    clock : callable
        Monotonic seconds.
    """

    # `_held` has the announced bytes of each principal's uploads: what a client announces counts at once.

    def __init__(self, log: EventLog, limits: Limits, clock: Callable[[], float]) -> None:
        self._log = log
        self._limits = limits
        self._clock = clock
        self._uploads: dict[Participant, dict[str, Upload]] = {}
        self._committing: dict[int, tuple[Participant, Upload]] = {}
        self._held: dict[str, list[int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def take(
        self, participant: Participant, name: str, *, number: int, of: int, size: int, data: bytes
    ) -> Upload | None:
        """Check a part, and return its upload; None if the part came before.

        Raises
        ------
        BadRequest, LimitExceeded, TooLarge
        """
        uploads = self._uploads.get(participant, {})
        upload = uploads.get(name)
        if upload is None:
            if number:
                raise NotStaged(f"there is no upload {name!r:.80} here (any more): stage its parts from 0 on")
            upload = self._begin(participant, name, of, size)
        if (upload.of, upload.size) != (of, size):
            raise BadRequest(f"upload {name!r:.80} was announced as {upload.of} parts of {upload.size} bytes in all")
        upload.touch(self._clock())
        return upload if upload.add(number, data) else None

    async def store(self, upload: Upload, number: int, data: bytes) -> None:
        """Store a part, and return when it is on disk; see `PartStore.put`."""
        if upload.dropped:  # while this part waited for its turn
            raise NotStaged(f"upload {upload.name!r:.80} was dropped: stage its parts from 0 on")
        await self._log.parts.put(upload.key, number, data)
        upload.stored()

    def _begin(self, participant: Participant, name: str, of: int, size: int) -> Upload:
        limits, principal = self._limits, participant.identity.principal
        if size > limits.event:
            raise TooLarge(
                f"the event takes {size:,} bytes, and an event may have {limits.event:,}, also in parts: send where "
                "it can be found, or several events"
            )
        if not 1 <= of <= min(size, limits.parts):
            raise BadRequest(f"`of` is {of}: {size} bytes may come in 1 to {min(size, limits.parts)} parts")
        held = self._held.get(principal, [])
        if sum(held) + size > limits.staging or len(held) >= limits.uploads:
            raise LimitExceeded(
                f"{principal} has {len(held)} uploads of {sum(held):,} bytes that are not published; the limits are "
                f"{limits.uploads} and {limits.staging:,}: publish or unstage them first"
            )
        if sum(map(sum, self._held.values())) + size > limits.staging_in_all:
            raise LimitExceeded(f"all uploads have {limits.staging_in_all:,} bytes, the limit: try again later")
        upload = self._uploads.setdefault(participant, {})[name] = Upload(name, principal, of, size)
        self._held.setdefault(principal, []).append(size)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(limits.staging_time, self._expire)
        return upload

    # --- the end of an upload

    def begin_commit(self, participant: Participant, name: str, size: int) -> Upload:
        """Return a complete upload whose event is to be submitted; call `end_commit` with the outcome.

        Raises
        ------
        NotStaged, BadRequest
        """
        upload = self._uploads.get(participant, {}).get(name)
        if upload is None:
            raise NotStaged(f"there is no upload {name!r:.80} here (any more): stage its parts from 0 on")
        if upload.size != size:
            raise BadRequest(f"`sizes` add up to {size} bytes, and upload {name!r:.80} has {upload.size}")
        upload.begin_commit()
        self._committing[upload.key] = participant, upload
        return upload

    def end_commit(self, parts: Parts, outcome: Appended | Exception) -> None:
        """Take the outcome of an event. If it was refused, it may be published again: its parts are kept."""
        participant, upload = self._committing.pop(parts.key)
        upload.end_commit()
        is_known = self._uploads.get(participant, {}).get(upload.name) is upload
        if not isinstance(outcome, Exception):
            if is_known:
                self._forget(participant, upload)
            if outcome.duplicate:
                self._log.parts.drop(upload.key)
        elif not is_known:  # its connection ended meanwhile
            self._log.parts.drop(upload.key)
        elif isinstance(outcome, LogPartsMissing):
            self._drop(participant, upload)

    def drop(self, participant: Participant, name: str) -> None:
        """Give up an upload, if there is one."""
        upload = self._uploads.get(participant, {}).get(name)
        if upload is not None:
            self._drop(participant, upload)

    def disconnected(self, participant: Participant) -> None:
        """Give up the uploads of a connection."""
        for upload in list(self._uploads.get(participant, {}).values()):
            self._drop(participant, upload)

    def close(self) -> None:
        """Stop the timer. What is left is deleted when the log is opened again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self, participant: Participant, upload: Upload) -> None:
        self._forget(participant, upload)
        upload.drop()
        if not upload.committing:
            self._log.parts.drop(upload.key)

    def _forget(self, participant: Participant, upload: Upload) -> None:
        uploads, held = self._uploads[participant], self._held[upload.principal]
        del uploads[upload.name]
        if not uploads:
            del self._uploads[participant]
        held.remove(upload.size)
        if not held:
            del self._held[upload.principal]
        if not self._uploads:
            self.close()

    def _expire(self) -> None:
        """Give up the uploads without a part for too long, and look again when the next one may be."""
        self._timer = None
        last = self._clock() - self._limits.staging_time
        every = [(who, each) for who, uploads in self._uploads.items() for each in uploads.values()]
        for who, upload in every:
            if upload.used <= last:
                self._drop(who, upload)
        left = [upload.used for uploads in self._uploads.values() for upload in uploads.values()]
        if left:
            wait: Any = max(min(left) - last, 0.01)
            self._timer = asyncio.get_running_loop().call_later(wait, self._expire)
