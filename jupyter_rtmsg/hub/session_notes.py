"""Where sessions are kept: in the log's own file, one write for many changes."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable

import msgspec

from jupyter_rtmsg.log.eventlog import EventLog
from jupyter_rtmsg.server import Socket

from .session_quota import Kept, SessionQuota

_PREFIX = "session:"
PAUSE = 0.2
"""Seconds between two writes of one session: members often join many rooms in a row."""


class Session(msgspec.Struct, array_like=True):
    """What is kept of a connection.

    Attributes
    ----------
    sid, principal : str
    epoch, opening : str
        Of the positions in ``rooms``.
    series, owed : str, int
        Its client must show an offset of this series with a mark of at least ``owed``.
    shown : str or None
        The offset that it showed when it connected: if ``owed`` is 0, it may have received none since.
    rooms : dict
        By name: the position since which it received the room's live events, and the key of its subscription or None.
    """

    sid: str
    principal: str
    epoch: str
    opening: str
    series: str
    owed: int
    shown: str | None
    rooms: dict[str, tuple[int, str | None]]


class SessionNotes:
    """Writes sessions to a log's notes.

    A session that changes is removed at once, which is a small write, and written anew at the end of the turn, but not
    twice within `PAUSE`: a connection that joins a hundred rooms is written a few times, and never with a room too few.

    Parameters
    ----------
    log : EventLog
    describe : callable
        Returns the session of a socket, None if it could not be recovered now.
    seconds : float
        For how long the session of a connected socket is kept.
    quota : SessionQuota
        Bounds what is kept.
    """

    def __init__(
        self, log: EventLog, describe: Callable[[Socket], Session | None], seconds: float, quota: SessionQuota
    ) -> None:
        self._log = log
        self._describe = describe
        self._seconds = seconds
        self._quota = quota
        self._written: set[str] = set()  # pids whose session is in the notes, or on its way there
        self._removing: dict[str, asyncio.Future[None]] = {}
        self._due: dict[str, asyncio.TimerHandle] = {}  # sessions that are about to be written
        self._last: dict[str, float] = {}  # when the sessions of connected sockets were written, in the loop's time

    async def load(self) -> None:
        """Count what an earlier hub has left, for those whose sessions it is."""
        now = self._log.now() / 1000
        for key, value, until in await self._log.key_values.all():
            if key.startswith(_PREFIX):
                session = _session(value)
                self._keep(key, Kept(session.principal if session else "", len(value), until), now)

    async def get(self, pid: str) -> Session | None:
        """Return the session of a pid, or None if none is kept, or its log was replaced."""
        note = await self._log.key_values.get(_key(pid))
        session = None if note is None else _session(note)
        return session if session and self._log.locate(0, session.epoch) is not None else None

    def changed(self, pid: str, socket: Socket) -> None:
        """Write the session of a socket soon; until then there is none."""
        self.remove(pid)
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self._last.get(pid, -math.inf) + PAUSE)
        self._due[pid] = loop.call_at(due, self._write, pid, socket)

    def remove(self, pid: str) -> asyncio.Future[None] | None:
        """Remove what is kept for a pid; the future is done once that is stored. None: nothing is kept."""
        self._cancel(pid)
        if pid in self._written:
            self._written.discard(pid)
            removing = self._removing[pid] = self._drop(_key(pid))
            removing.add_done_callback(lambda done: self._removed(pid, done))
        return self._removing.get(pid)

    def leave(self, pid: str, session: Session | None, seconds: float) -> None:
        """Write the session of a socket that is gone, at once and for the last time; None: there is none."""
        if session is None:
            self.remove(pid)
        else:
            self._cancel(pid)
            self._put(pid, session, seconds)
        self._written.discard(pid)
        self._last.pop(pid, None)

    async def take(self, pid: str) -> None:
        """Remove the session of a socket that is gone: another one goes on with it."""
        await self._drop(_key(pid))

    def close(self) -> None:
        """Write nothing more by itself."""
        for pid in list(self._due):
            self._cancel(pid)

    def _cancel(self, pid: str) -> None:
        due = self._due.pop(pid, None)
        if due is not None:
            due.cancel()

    def _write(self, pid: str, socket: Socket) -> None:
        del self._due[pid]
        session = self._describe(socket)
        if session is not None:
            self._last[pid] = asyncio.get_running_loop().time()
            self._written.add(pid)
            self._put(pid, session, self._seconds)

    def _put(self, pid: str, session: Session, seconds: float) -> None:
        value, now = msgspec.json.encode(session), self._log.now() / 1000
        if self._keep(key := _key(pid), Kept(session.principal, len(value), now + seconds), now):
            self._log.key_values.put(key, value, now + seconds)

    def _keep(self, key: str, note: Kept, now: float) -> bool:
        """Make place for a note; tell whether there is any."""
        gone = self._quota.keep(key, note, now)
        for each in [key] if gone is None else gone:
            self._drop(each)
        return gone is not None

    def _drop(self, key: str) -> asyncio.Future[None]:
        self._quota.discard(key)
        return self._log.key_values.put(key, None, 0)

    def _removed(self, pid: str, done: asyncio.Future[None]) -> None:
        if self._removing.get(pid) is done:
            del self._removing[pid]


def _key(pid: str) -> str:
    """Return the key of a session: the pid itself is a secret, and is not stored."""
    return _PREFIX + hashlib.sha256(pid.encode("utf-8", "surrogatepass")).hexdigest()


def _session(note: bytes) -> Session | None:
    """Return the session that a note holds; None if it is of another version."""
    try:
        return msgspec.json.decode(note, type=Session)
    except msgspec.DecodeError:
        return None
