"""Connection state recovery over the log (docs/protocol.md#socketio-recovery): any client goes on where it was.

The offset of an event is its position in the log, so it stays good as long as nothing that a client missed was trimmed,
however long it was quiet. What a connection is in is kept in the log's own file from the moment it is in the room, so
that it survives the server as well. A connection that still catches up in one of its rooms cannot be recovered.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from jupyter_rtmsg.log.eventlog import Cursor, Subscription
from jupyter_rtmsg.server import Namespace, Socket
from jupyter_rtmsg.server.recovery import FINAL, offset_event
from jupyter_rtmsg.wire.packet import OFFSET
from jupyter_rtmsg.wire.socketio import Encoded, encode_event

from .connection import Connection
from .identity import Identity, identify
from .names import SubscriptionName
from .room import Room
from .start import Start, Wanted

if TYPE_CHECKING:
    from .hub import Hub

CONNECTED = 7 * 86_400.0
"""Seconds that a session is remembered whose server was killed."""

_MAX_DIGITS = 18


class Session(msgspec.Struct):
    """What is kept of a connection. ``rooms``: since when it was in each (a position), and its subscription's key."""

    sid: str
    principal: str
    epoch: str
    rooms: dict[str, tuple[int, str | None]]


@dataclass(frozen=True, slots=True)
class Return:
    """A room that a recovered connection is about to be in again."""

    room: Room
    start: Start
    subscription: Subscription | None


class LogRecovery:
    """The hub's `jupyter_rtmsg.server.recovery.Recovery`.

    Parameters
    ----------
    hub : Hub
    max_disconnection : float
        Seconds that a client may be away.
    """

    def __init__(self, hub: Hub, max_disconnection: float) -> None:
        self._hub = hub
        self._max_disconnection = max_disconnection
        self._sockets: dict[str, Socket] = {}  # by pid
        self._returns: dict[Socket, list[Return]] = {}

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
        session = await self._session(pid)
        if session is None or session.principal != socket.data["identity"].principal:
            return False
        old = self._sockets.get(pid)
        if old is not None:
            old.session.close("forced close")
        returns = await self._find(session, offset, socket.data["identity"])
        self._hub.log.notes.put(_key(pid), None, 0)
        if returns is None:
            return False
        self._sockets[pid] = socket
        self._returns[socket] = returns
        socket.id, socket.pid = session.sid, pid
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
        self._give_up(self._returns.pop(socket, []))
        connection = self._hub.connections.get(socket.id)
        session = self._describe(connection) if connection and reason not in FINAL else None
        self._keep(pid, session, self._max_disconnection)

    def keep(self, encoded: Encoded, rooms: Collection[str | float], excluded: Collection[str | float]) -> None:
        """See `Recovery.keep`: only what came out of the log is replayed."""

    def mark(self, args: Sequence[Any], volatile: bool) -> Encoded | None:
        """See `Recovery.mark`: the hub's own events tell no offset, they only must not be taken for one."""
        return encode_event([OFFSET, str(self._hub.follower.position)]) if isinstance(args[-1], str) else None

    # --- what the hub calls

    def bring_back(self, connection: Connection) -> None:
        """Make a recovered connection a member of its rooms again."""
        returns = self._returns.pop(connection.socket, [])
        for back in returns:
            self._hub.enter(connection, back.room, back.start, back.subscription)
        self._give_up(returns)
        self.changed(connection)

    def delivered(self, namespace: Namespace, rooms: Iterable[str]) -> None:
        """Events of these Socket.IO rooms were written to their members: tell who may be recovered how far that was."""
        if self._sockets:
            told = {each for room in rooms for each in namespace.rooms.members(room) if each.pid is not None}
            namespace.write(told, offset_event(namespace, self._hub.follower.position))

    def forget(self, connection: Connection) -> asyncio.Future[None] | None:
        """A connection is about to join: from now on, until it has caught up, it cannot be recovered.

        The join must wait until that is on disk, or a client could be told that it was recovered, with a room too few.
        """
        pid = connection.socket.pid
        return None if pid is None else self._hub.log.notes.put(_key(pid), None, 0)

    def changed(self, connection: Connection) -> None:
        """The rooms of a connection have changed, or it has caught up with one."""
        socket = connection.socket
        if socket.pid is not None and socket.connected:
            self._keep(socket.pid, self._describe(connection), CONNECTED)

    # --- inside

    async def _session(self, pid: str) -> Session | None:
        note = await self._hub.log.notes.get(_key(pid))
        if note is None:
            return None
        session = msgspec.json.decode(note, type=Session)
        return session if self._hub.log.locate(0, session.epoch) is not None else None

    async def _find(self, session: Session, offset: str | None, identity: Identity) -> list[Return] | None:
        """Return where to go on in each room; None where that is not possible without a gap."""
        hub, position = self._hub, _position(offset)
        returns: list[Return] = []
        if position is None:
            return None
        for name, (since, key) in session.rooms.items():
            if not hub.allows(identity, "read", name):
                self._give_up(returns)
                return None
            room = hub.rooms.open(name, session.principal, lambda: hub.follower.position)
            wanted = Wanted(after=Cursor(session.epoch, max(since, position)))
            start = await hub.starts.find(room, wanted, None, named=False)
            row = hub.subscriptions.find(session.principal, name, SubscriptionName(key, key)) if key else None
            returns.append(Return(room, start, row))
            if start.reason is not None:
                self._give_up(returns)
                return None
        return returns

    def _give_up(self, returns: list[Return]) -> None:
        """Let go of rooms that were held for somebody."""
        for back in returns:
            back.room.joining -= 1
            self._hub.settle(back.room)

    def _describe(self, connection: Connection) -> Session | None:
        """Return what to keep of a connection; None while it catches up."""
        rooms: dict[str, tuple[int, str | None]] = {}
        for name, membership in connection.memberships.items():
            if membership.live is None:
                return None
            row = membership.subscription
            rooms[name] = (membership.live, row.key if row else None)
        return Session(connection.socket.id, connection.identity.principal, self._hub.log.epoch, rooms)

    def _keep(self, pid: str, session: Session | None, seconds: float) -> None:
        value = None if session is None else msgspec.json.encode(session)
        self._hub.log.notes.put(_key(pid), value, self._hub.log.now() / 1000 + seconds)


def _key(pid: str) -> str:
    """Return the key of a session: the pid itself is a secret, and is not stored."""
    return "session:" + hashlib.sha256(pid.encode("utf-8", "surrogatepass")).hexdigest()


def _position(offset: str | None) -> int | None:
    """Return the position that an offset names, 0 for a client that saw no event, None if it names none."""
    if offset is None:
        return 0
    return int(offset) if offset.isascii() and offset.isdigit() and len(offset) <= _MAX_DIGITS else None
