"""Saves the state of connections in the log's file, for connection state recovery (docs/wire.md)."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from jupyter_rtmsg.log import EventLog
from jupyter_rtmsg.server import Socket

_PREFIX = "session:"
WRITE_INTERVAL = 0.2
"""Least seconds between two writes of one session: clients often join many rooms in a row."""


class SavedSession(msgspec.Struct, array_like=True):
    """The saved state of a connection.

    Attributes
    ----------
    sid, principal : str
        Its socket id, and who was connected.
    epoch, opening : str
        Of the log, for the positions in ``rooms``.
    series, owed : str, int
        The client must show an offset of this series, with a mark of at least ``owed``.
    shown : str or None
        The offset that the client showed when it connected. If ``owed`` is 0, it may have received none since.
    rooms : dict
        By name: the position from which on it received the room's live events, the key of its subscription or None,
        and the subscription's generation.
    """

    sid: str
    principal: str
    epoch: str
    opening: str
    series: str
    owed: int
    shown: str | None
    rooms: dict[str, tuple[int, str | None, int]]


class SessionStore:
    """Writes saved sessions to a log's notes, by the hash of their pid.

    When a session changes, its note is removed at once, which is a small write. The new note is written at the end of
    the turn, and not twice within `WRITE_INTERVAL`. So a connection that joins a hundred rooms causes a few writes, and
    a saved session never has a room too few.

    Parameters
    ----------
    log : EventLog
    describe : callable
        Returns the present state of a socket; None while it could not be recovered.
    seconds : float
        Time for which the session of a connected socket is saved.
    quota : SessionQuota

    Attributes
    ----------
    _written : set of str
        Pids whose session is in the notes, or on its way there.
    _removing : dict
        By pid: done when the removal of its note is stored.
    _due : dict
        By pid: the timer of its next write.
    _last : dict
        By pid: the loop's time of the last write for a connected socket.
    """

    def __init__(
        self, log: EventLog, describe: Callable[[Socket], SavedSession | None], seconds: float, quota: SessionQuota
    ) -> None:
        self._log = log
        self._describe = describe
        self._seconds = seconds
        self._quota = quota
        self._written: set[str] = set()
        self._removing: dict[str, asyncio.Future[None]] = {}
        self._due: dict[str, asyncio.TimerHandle] = {}
        self._last: dict[str, float] = {}

    async def load(self) -> None:
        """Count the sessions that an earlier hub has saved against the quota."""
        now = self._log.now() / 1000
        for key, value, until in await self._log.key_values.all():
            if key.startswith(_PREFIX):
                session = _decode(value)
                self._keep(key, SessionNote(session.principal if session else "", len(value), until), now)

    async def get(self, pid: str) -> SavedSession | None:
        """Return the saved session of a pid; None if there is none, or if the log has been replaced since."""
        note = await self._log.key_values.get(_key(pid))
        session = None if note is None else _decode(note)
        # Positions of an epoch that the log does not know mean nothing.
        return session if session and self._log.locate(0, session.epoch) is not None else None

    def changed(self, pid: str, socket: Socket) -> None:
        """Remove the note of a socket, and write a new one soon."""
        self.remove(pid)  # if the server is killed now, the client joins again instead of missing a room
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self._last.get(pid, -math.inf) + WRITE_INTERVAL)
        self._due[pid] = loop.call_at(due, self._write, pid, socket)

    def remove(self, pid: str) -> asyncio.Future[None] | None:
        """Remove the note of a pid. The future is done when that is stored; None if there is no note."""
        self._cancel(pid)
        if pid in self._written:
            self._written.discard(pid)  # the next removal has nothing to do
            removing = self._removing[pid] = self._drop(_key(pid))
            removing.add_done_callback(lambda done: self._removed(pid, done))
        return self._removing.get(pid)

    def leave(self, pid: str, session: SavedSession | None, seconds: float) -> None:
        """Write the last note of a socket that is gone, at once; with None, remove it."""
        if session is None:
            self.remove(pid)
        else:
            self._cancel(pid)
            self._put(pid, session, seconds)
        self._written.discard(pid)
        self._last.pop(pid, None)

    async def take(self, pid: str) -> None:
        """Remove the note of a socket that is gone: another socket continues its session."""
        await self._drop(_key(pid))

    def close(self) -> None:
        """Cancel all pending writes."""
        for pid in list(self._due):
            self._cancel(pid)

    def _cancel(self, pid: str) -> None:
        due = self._due.pop(pid, None)
        if due is not None:
            due.cancel()

    def _write(self, pid: str, socket: Socket) -> None:
        del self._due[pid]
        session = self._describe(socket)
        if session is not None:  # else it joins or catches up: the end of that is another change
            self._last[pid] = asyncio.get_running_loop().time()
            self._written.add(pid)
            self._put(pid, session, self._seconds)

    def _put(self, pid: str, session: SavedSession, seconds: float) -> None:
        value, now = msgspec.json.encode(session), self._log.now() / 1000
        if self._keep(key := _key(pid), SessionNote(session.principal, len(value), now + seconds), now):
            self._log.key_values.put(key, value, now + seconds)

    def _keep(self, key: str, note: SessionNote, now: float) -> bool:
        """Count a note, and remove others to make place for it; return whether it may be written."""
        gone = self._quota.keep(key, note, now)
        for each in [key] if gone is None else gone:
            self._drop(each)
        return gone is not None

    def _drop(self, key: str) -> asyncio.Future[None]:
        self._quota.discard(key)
        return self._log.key_values.put(key, None, 0)

    def _removed(self, pid: str, done: asyncio.Future[None]) -> None:
        if self._removing.get(pid) is done:  # a later removal of the same pid may be in progress
            del self._removing[pid]


class SessionNote(NamedTuple):
    """Size of a note, in bytes, whose session it is, and until when it is kept (seconds since 1970)."""

    principal: str
    size: int
    until: float


class SessionQuota:
    """Bounds the bytes of saved sessions. The oldest ones make place; their clients will have to join again.

    Parameters
    ----------
    per_user, total : int
        Bytes of one principal, and in all.
    """

    def __init__(self, per_user: int, total: int) -> None:
        self._per_user = per_user
        self._total = total
        self._notes: dict[str, dict[str, SessionNote]] = {}  # by principal and key, the oldest first
        self._owners: dict[str, str] = {}
        self._bytes: Counter[str] = Counter()

    def bytes(self, principal: str | None = None) -> int:
        """Return the bytes of the notes of a principal, or of all notes."""
        return self._bytes.total() if principal is None else self._bytes[principal]

    def keep(self, key: str, note: SessionNote, now: float) -> list[str] | None:
        """Count a note.

        Returns
        -------
        list of str or None
            Keys of the notes to remove in its place; None if it is too large to be kept at all.
        """
        self.discard(key)
        if note.size > min(self._per_user, self._total):
            return None
        gone: list[str] = []
        while self._bytes[note.principal] + note.size > self._per_user:
            gone += self._make_place(note.principal, now)
        # Over the total the user with most bytes gives way, so one user cannot displace the sessions of others.
        while self.bytes() + note.size > self._total:
            gone += self._make_place(max(self._bytes, key=self._bytes.__getitem__), now)
        self._owners[key] = note.principal
        self._notes.setdefault(note.principal, {})[key] = note
        self._bytes[note.principal] += note.size
        return gone

    def discard(self, key: str) -> None:
        """Stop counting a note that was removed."""
        principal = self._owners.pop(key, None)
        if principal is None:
            return
        notes = self._notes[principal]
        self._bytes[principal] -= notes.pop(key).size
        if not notes:
            del self._notes[principal], self._bytes[principal]

    def _make_place(self, principal: str, now: float) -> list[str]:
        """Discard the expired notes of a principal, or else its oldest one, and return their keys."""
        notes = self._notes[principal]
        gone = [key for key, note in notes.items() if note.until <= now] or [next(iter(notes))]
        for key in gone:
            self.discard(key)
        return gone


def _key(pid: str) -> str:
    """Return the key of a session: the pid is a secret, so its hash is stored."""
    return _PREFIX + hashlib.sha256(pid.encode("utf-8", "surrogatepass")).hexdigest()


def _decode(note: bytes) -> SavedSession | None:
    """Return the session in a note; None if another version of the package wrote it."""
    try:
        return msgspec.json.decode(note, type=SavedSession)
    except msgspec.DecodeError:
        return None
