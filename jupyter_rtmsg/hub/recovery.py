"""Connection state recovery over the log (docs/protocol.md#socketio-recovery): any client goes on where it was.

An offset tells a position in the log, so it stays good as long as nothing that a client missed was trimmed, however
long it was quiet. What a connection is in is kept in the log's own file, so that it survives the server as well.

What counts is what a client received, and the only evidence of that is the offset that it shows when it comes back:

* Live events stand between an offset that says nothing (`OPEN`) and one that tells their position. A client that shows
  the former received some of them, and is not recovered: it would get those twice.
* One offset covers all rooms, so replayed events have none. Behind the last one of a room stands an offset with a new
  mark, and from then on the client must show that mark, or a later one. The same holds for what else it has to know:
  that it was taken out of a room, or that the log was replaced.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.log.eventlog import Cursor
from jupyter_rtmsg.log.kept import Subscription
from jupyter_rtmsg.server import Namespace, Socket
from jupyter_rtmsg.server.recovery import FINAL, offset_event
from jupyter_rtmsg.wire.packet import OFFSET
from jupyter_rtmsg.wire.socketio import Encoded, encode_event

from .connection import Connection
from .identity import Identity, identify
from .names import SubscriptionName
from .offset import OPEN, Offset
from .ring import Ring
from .room import Room
from .session_notes import Session, SessionNotes
from .session_quota import SessionQuota
from .start import Start, Wanted

if TYPE_CHECKING:
    from .hub import Hub

CONNECTED = 7 * 86_400.0
"""Seconds that a session is remembered whose server was killed."""

_LONGEST = 64
"""Characters of an offset that is remembered as shown."""


@dataclass(frozen=True, slots=True)
class Return:
    """A room that a recovered connection is about to be in again, and the ring for which its start was found."""

    room: Room
    ring: Ring
    start: Start
    subscription: Subscription | None

    @property
    def holds(self) -> bool:
        """Whether the start still means something: not if the room was deleted, or the log replaced."""
        return self.ring is self.room.ring


@dataclass(frozen=True, slots=True)
class Recovered:
    """A connection that is about to be in its rooms again, and the session that it goes on with."""

    session: Session
    returns: list[Return] = field(default_factory=list)


class LogRecovery:
    """The hub's `jupyter_rtmsg.server.recovery.Recovery`.

    Parameters
    ----------
    hub : Hub
    namespace : Namespace
        The one that it takes.
    max_disconnection : float
        Seconds that a client may be away.
    """

    def __init__(self, hub: Hub, namespace: Namespace, max_disconnection: float) -> None:
        self._hub = hub
        self._namespace = namespace
        self._max_disconnection = max_disconnection
        self._sockets: dict[str, Socket] = {}  # by pid
        self._claimed: set[str] = set()  # pids that a connection is being recovered with
        self._recovered: dict[Socket, Recovered] = {}  # not yet in their rooms
        quota = SessionQuota(hub.limits.session_bytes, hub.limits.session_bytes_in_all)
        self._notes = SessionNotes(hub.log, self._describe_live, CONNECTED, quota)
        self._marks = 0
        self._series = secrets.token_hex(4)
        self._open = encode_event([OFFSET, OPEN])

    async def load(self) -> None:
        """Learn what an earlier hub has kept."""
        await self._notes.load()

    # --- what the namespace calls

    def issue(self, socket: Socket) -> str | None:
        """See `Recovery.issue`: None to a client that comes back by itself, which says ``recovery: false``."""
        if socket.auth.get("recovery") is False:
            return None
        pid = secrets.token_urlsafe(18)
        self._sockets[pid] = socket
        return pid

    async def recover(self, socket: Socket, pid: str, offset: str | None) -> bool:
        """See `Recovery.recover`."""
        if pid in self._claimed:  # by another connection, which is a moment ahead
            return False
        self._claimed.add(pid)
        try:
            recovered = await self._take(socket, pid, offset)
        finally:
            self._claimed.discard(pid)
        if recovered is None:
            return False
        self._sockets[pid] = socket
        self._recovered[socket] = recovered
        socket.id, socket.pid = recovered.session.sid, pid
        socket.data["identity"] = identify(socket, self._hub.limits)  # whose member may be named after the socket
        return True

    def resume(self, socket: Socket) -> None:
        """See `Recovery.resume`: the hub's own handler of ``connection`` does it, with `bring_back`."""

    def ended(self, socket: Socket, reason: str) -> None:
        """See `Recovery.ended`."""
        pid = socket.pid
        if pid is None or self._sockets.get(pid) is not socket:
            return
        del self._sockets[pid]
        recovered = self._recovered.pop(socket, None)
        if recovered is not None:  # nothing was written to it: all is as before
            self._give_up(recovered.returns)
            session: Session | None = recovered.session
        else:
            connection = self._hub.connections.get(socket.id)
            session = self._describe(connection) if connection and connection.socket is socket else None
        self._notes.leave(pid, None if reason in FINAL else session, self._max_disconnection)

    def keep(self, encoded: Encoded, rooms: Collection[str | float], excluded: Collection[str | float]) -> None:
        """See `Recovery.keep`: only what came out of the log is replayed."""

    def mark(self, args: Sequence[Any], volatile: bool) -> Encoded | None:
        """See `Recovery.mark`: the hub's own events tell no offset, they only must not be taken for one."""
        return encode_event([OFFSET, self._offset()]) if isinstance(args[-1], str) else None

    # --- what the hub calls

    def bring_back(self, connection: Connection) -> None:
        """Make a recovered connection a member of its rooms again."""
        recovered = self._recovered.pop(connection.socket, None)
        if recovered is None:
            return
        connection.owed = 0  # it has shown all that it had to
        for back in recovered.returns:
            self._hub.enter(connection, back.room, back.start, back.subscription)
        self._give_up(recovered.returns)
        self.changed(connection)

    def deliver(self, batch: Sequence[tuple[str, Encoded]]) -> None:
        """Write events that came out of the log to the members of their rooms, and tell these how far that was."""
        namespace = self._namespace
        told = self._told({channel for channel, encoded in batch if not encoded.volatile}) if self._sockets else ()
        if not told:
            namespace.deliver(batch)
            return
        namespace.write(told, self._open)
        namespace.deliver(batch)
        namespace.write(told, offset_event(namespace, self._offset()))

    def owe(self, connection: Connection) -> None:
        """Write an offset that the client must show, this or a later one: what stands before it has to be known."""
        if connection.socket.pid is not None:
            self._marks += 1
            connection.owed = self._marks
            connection.socket.write((encode_event([OFFSET, self._offset()]),))

    def reset(self) -> None:
        """The log was replaced, and the members were told: they must know it, and positions are others."""
        self._series = secrets.token_hex(4)
        for connection in self._hub.connections:
            self.owe(connection)
            self.changed(connection)

    def forget(self, connection: Connection) -> asyncio.Future[None] | None:
        """The rooms of a connection are about to change: what is kept of it is removed.

        An answer must wait until that is on disk, or a client could be told that it was recovered, with a room too few.
        """
        pid = connection.socket.pid
        return None if pid is None else self._notes.remove(pid)

    def changed(self, connection: Connection) -> None:
        """What is to be kept of a connection has changed."""
        socket = connection.socket
        if socket.pid is not None and socket.connected:
            self._notes.changed(socket.pid, socket)

    def close(self) -> None:
        """Write nothing more but what connections leave behind."""
        self._notes.close()

    # --- inside

    def _told(self, channels: Collection[str]) -> Collection[Socket]:
        """Return the members of some Socket.IO rooms that may be recovered."""
        members = self._namespace.rooms.select(channels) if channels else ()
        return [member for member in members if member.pid is not None]

    def _offset(self) -> str:
        return str(Offset(self._hub.follower.position, self._marks, self._series))

    async def _take(self, socket: Socket, pid: str, offset: str | None) -> Recovered | None:
        """Take what is kept for a pid, so that nobody else does; None where a client cannot go on with it."""
        identity: Identity = socket.data["identity"]
        old = self._sockets.get(pid)
        if old is not None and old.data["identity"].principal == identity.principal:
            old.session.close("forced close")
        session = await self._notes.get(pid)
        if session is None or session.principal != identity.principal:
            return None
        position = received(session, offset)
        recovered = Recovered(session)
        try:
            found = position is not None and await self._find(recovered, position, identity)
            await self._notes.take(pid)  # before any answer: what is replayed to it must not be replayed again
            found = found and all(back.holds for back in recovered.returns)
        except BaseException:
            self._give_up(recovered.returns)
            raise
        if not found:
            self._give_up(recovered.returns)
        return recovered if found else None

    async def _find(self, recovered: Recovered, position: int, identity: Identity) -> bool:
        """Find where to go on in each room; return whether that is possible without a gap."""
        hub, session = self._hub, recovered.session
        for name, (since, key) in session.rooms.items():
            epoch, after, opening = session.epoch, max(since, position), session.opening
            if not hub.allows(identity, "read", name) or hub.log.locate(after, epoch, opening) is None:
                return False
            try:
                room = hub.rooms.open(name, session.principal, lambda: hub.follower.position)
            except LimitExceeded:
                return False
            ring, start = room.ring, await self._start(room, Wanted(after=Cursor(epoch, after, opening)))
            row = hub.subscriptions.find(session.principal, name, SubscriptionName(key, key)) if key else None
            recovered.returns.append(Return(room, ring, start, row))
            if start.reason is not None or (key and row is None):  # its subscription has ended: it must know that
                return False
        return True

    async def _start(self, room: Room, wanted: Wanted) -> Start:
        try:
            return await self._hub.starts.find(room, wanted, None, named=False)
        except BaseException:
            room.joining -= 1
            self._hub.settle(room)
            raise

    def _give_up(self, returns: Iterable[Return]) -> None:
        """Let go of rooms that were held for somebody."""
        for back in returns:
            back.room.joining -= 1
            self._hub.settle(back.room)

    def _describe_live(self, socket: Socket) -> Session | None:
        """Return what to keep of a socket; None while it joins a room."""
        connection = self._hub.connections.get(socket.id)
        if connection is None or connection.socket is not socket or connection.joining:
            return None
        return self._describe(connection)

    def _describe(self, connection: Connection) -> Session | None:
        """Return what to keep of a connection; None while it catches up."""
        rooms: dict[str, tuple[int, str | None]] = {}
        for name, membership in connection.memberships.items():
            if membership.live is None:
                return None
            row = membership.subscription
            rooms[name] = (membership.live, row.key if row else None)
        socket, principal, log = connection.socket, connection.identity.principal, self._hub.log
        shown = socket.auth.get("offset")
        if not isinstance(shown, str) or len(shown) > _LONGEST:
            shown = None
        return Session(socket.id, principal, log.epoch, log.opening, self._series, connection.owed, shown, rooms)


def received(session: Session, offset: str | None) -> int | None:
    """Return up to which position a client has received all, 0 for nothing; None if its offset does not show that."""
    shown = None if offset is None else Offset.parse(offset)
    if shown is not None and shown.series == session.series:
        return shown.position if shown.mark >= session.owed else None
    # Nothing came since it was connected: it shows what it has shown before.
    return 0 if offset == session.shown and offset != OPEN and not session.owed else None
