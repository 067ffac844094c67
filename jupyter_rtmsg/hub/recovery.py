"""Connection state recovery over the log (docs/protocol.md#socketio-recovery, docs/wire.md).

Any Socket.IO client goes on where it was. An offset is a position of the log, so it stays valid, however long the
client was away, until an event that it missed is trimmed. The state of connections is saved in the log's file, so it
survives a restart of the server.

A client is recovered by what it has received, and the offset that it shows is the only evidence of that:

* Live events are sent between an empty offset (`OPEN`) and one with their position. A client that shows the empty one
  received some of them. It is not recovered, since it would get these twice.
* One offset covers all rooms, so replayed events cannot have one. After the last replayed event of a room, an offset
  with a new mark is sent; from then on the client must show that mark or a later one. The same holds for notices that a
  client must not miss: that it was removed from a room, or that the log was replaced.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.log import Cursor, StoredSubscription
from jupyter_rtmsg.server import Namespace, Socket
from jupyter_rtmsg.server.recovery import FINAL, offset_event
from jupyter_rtmsg.wire.packet import OFFSET
from jupyter_rtmsg.wire.socketio import Encoded, encode_event

from .core import HubCore
from .identity import Identity, identify
from .names import SubscriptionName
from .replay import ReplayPlan, StartRequest
from .ring import Ring
from .room import ActiveRoom, Participant
from .session_store import SavedSession, SessionQuota, SessionStore

KEPT_WHILE_CONNECTED = 7 * 86_400.0
"""Seconds for which the session of a connected socket is saved: it is needed if the server is killed meanwhile."""

OPEN = ""
"""The offset before live events: a client that shows it received some of them, and it is unknown which."""

_OFFSET = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})\.([0-9a-f]{8})", re.ASCII)
_MAX_OFFSET = 64  # characters of an offset that is saved as shown


class Offset(NamedTuple):
    """Evidence of what a client has received.

    Attributes
    ----------
    position : int
        It has received every event of its rooms up to this position of the log.
    mark : int
        It has received everything that was sent before this mark (`LogRecovery.require_mark`).
    series : str
        The series of both. A hub begins a new one when it starts, and when its log is replaced.
    """

    position: int
    mark: int
    series: str

    def __str__(self) -> str:
        return f"{self.position}.{self.mark}.{self.series}"

    @classmethod
    def parse(cls, text: str) -> Offset | None:
        """Return the offset in a text, or None if there is none."""
        found = _OFFSET.fullmatch(text)
        return cls(int(found[1]), int(found[2]), found[3]) if found else None


@dataclass(frozen=True, slots=True)
class Return:
    """A room that a recovered client is about to return to.

    Attributes
    ----------
    room : ActiveRoom
        Acquired from the registry: `LogRecovery` releases it.
    ring : Ring
        The room's ring when the plan was made.
    plan : ReplayPlan
    subscription : StoredSubscription or None
    generation : int
        That of the subscription, as the client knows it.
    """

    room: ActiveRoom
    ring: Ring
    plan: ReplayPlan
    subscription: StoredSubscription | None
    generation: int

    @property
    def is_valid(self) -> bool:
        """Whether the plan still holds. It does not if the room was deleted, or the log replaced, since."""
        return self.ring is self.room.ring


@dataclass(frozen=True, slots=True)
class Recovered:
    """A recovered client that is not yet in its rooms, with the session that it continues."""

    session: SavedSession
    returns: list[Return] = field(default_factory=list)


class LogRecovery:
    """The hub's implementation of `jupyter_rtmsg.server.recovery.Recovery`, and the `StateKeeper` of participants.

    A pid is issued with each connection and names its state. While the socket is connected, the state is saved in
    `SessionStore` whenever its rooms change; when the socket is gone, it is saved for the last time. `recover` takes it
    for a new socket, `bring_back` puts that into its rooms.

    Parameters
    ----------
    hub : HubCore
    namespace : Namespace
    max_disconnection : float
        Seconds that a client may be away.

    Attributes
    ----------
    _sockets : dict of str to Socket
        By pid, while they are connected.
    _claimed : set of str
        Pids of which a recovery is in progress.
    _recovered : dict of Socket to Recovered
        Sockets between `recover` and `bring_back`.
    _marks, _series : int, str
        The last mark that was sent, and the series in which marks are counted.
    """

    def __init__(self, hub: HubCore, namespace: Namespace, max_disconnection: float) -> None:
        self._hub = hub
        self._namespace = namespace
        self._max_disconnection = max_disconnection
        self._sockets: dict[str, Socket] = {}
        self._claimed: set[str] = set()
        self._recovered: dict[Socket, Recovered] = {}
        quota = SessionQuota(hub.limits.session_bytes, hub.limits.session_bytes_in_all)
        self._store = SessionStore(hub.log, self._describe_live, KEPT_WHILE_CONNECTED, quota)
        self._marks = 0
        self._series = secrets.token_hex(4)
        self._open = encode_event([OFFSET, OPEN])

    async def load(self) -> None:
        """Count the sessions that an earlier hub has saved."""
        await self._store.load()

    # --- called by the namespace, see `jupyter_rtmsg.server.recovery.Recovery`

    def issue(self, socket: Socket) -> str | None:
        """Return a new pid; None for a client that says ``recovery: false`` because it joins again by itself."""
        if socket.auth.get("recovery") is False:
            return None
        pid = secrets.token_urlsafe(18)
        self._sockets[pid] = socket
        return pid

    async def recover(self, socket: Socket, pid: str, offset: str | None) -> bool:
        """Give a socket the id of the session that it continues, and plan its return to that session's rooms."""
        if pid in self._claimed:  # another connection with this pid came first
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
        socket.restore(recovered.session.sid, pid, socket.data)
        socket.data["identity"] = identify(socket, self._hub.limits)  # its member id may depend on the socket's id
        return True

    def resume(self, socket: Socket) -> None:
        """Do nothing: the hub calls `bring_back` when the socket has become a participant."""

    def ended(self, socket: Socket, reason: str) -> None:
        """Save the state of a socket that is gone, if it may come back."""
        pid = socket.pid
        if pid is None or self._sockets.get(pid) is not socket:
            return  # a newer connection has taken the pid over: its state counts
        del self._sockets[pid]
        recovered = self._recovered.pop(socket, None)
        if recovered is not None:  # nothing was written to it: its state is as before
            self._release(recovered.returns)
            session: SavedSession | None = recovered.session
        else:
            participant = self._hub.participants.of_socket(socket)
            session = self._describe(participant) if participant else None
        self._store.leave(pid, None if reason in FINAL else session, self._max_disconnection)

    def keep(self, encoded: Encoded, rooms: Collection[str | float], excluded: Collection[str | float]) -> None:
        """Do nothing: only the log's events are replayed."""

    def mark(self, args: Sequence[Any], volatile: bool) -> Encoded | None:
        """Return an offset to follow an event whose last argument is a string, which clients take for an offset."""
        return encode_event([OFFSET, self._offset()]) if isinstance(args[-1], str) else None

    # --- called by participants (a `StateKeeper`)

    def changed(self, participant: Participant) -> None:
        """Save the state of a participant soon: its rooms have changed."""
        socket = participant.socket
        if socket.pid is not None and socket.connected:  # `ended` saves the others
            self._store.changed(socket.pid, socket)

    def require_mark(self, participant: Participant) -> None:
        """Send a new mark. To be recovered the client must show it, and so must have received what precedes it."""
        if participant.socket.pid is not None:
            self._marks += 1
            participant.must_show(self._marks)
            participant.socket.write((encode_event([OFFSET, self._offset()]),))

    def forget(self, participant: Participant) -> asyncio.Future[None] | None:
        """Remove the saved state of a participant, whose rooms are about to change.

        The command that changes them is answered when the returned future is done. If it were answered before and the
        server killed then, the client would be recovered into its old rooms.
        """
        pid = participant.socket.pid
        return None if pid is None else self._store.remove(pid)

    # --- called by the hub

    def bring_back(self, participant: Participant) -> None:
        """Make a recovered participant a member of its rooms again."""
        recovered = self._recovered.pop(participant.socket, None)
        if recovered is None:
            return
        participant.must_show(0)  # it has shown the mark that was required
        for back in recovered.returns:
            self._hub.enter(participant, back.room, back.plan, back.subscription, generation=back.generation)
        self._release(recovered.returns)
        self.changed(participant)

    def deliver(self, batch: Sequence[tuple[str, Encoded]]) -> None:
        """Write events of the log to the members of their rooms, enclosed in the two offsets of live events."""
        namespace = self._namespace
        told = self._members({channel for channel, encoded in batch if not encoded.volatile}) if self._sockets else ()
        if not told:
            namespace.deliver(batch)
            return
        # If the connection breaks after this, the client shows the empty offset, and is not recovered.
        namespace.write(told, self._open)
        namespace.deliver(batch)
        namespace.write(told, offset_event(namespace, self._offset()))

    def reset(self) -> None:
        """Begin a new series, because the log was replaced. Clients must have received the notice of that."""
        self._series = secrets.token_hex(4)  # offsets with positions of the old log are not valid any more
        for participant in self._hub.participants:
            self.require_mark(participant)
            self.changed(participant)

    def close(self) -> None:
        """Cancel pending writes. Connections that end later still save their state."""
        self._store.close()

    # --- inside

    def _members(self, channels: Collection[str]) -> Collection[Socket]:
        """Return the members of some Socket.IO rooms that have a pid."""
        members = self._namespace.rooms.select(channels) if channels else ()
        return [member for member in members if member.pid is not None]

    def _offset(self) -> str:
        return str(Offset(self._hub.follower.position, self._marks, self._series))

    async def _take(self, socket: Socket, pid: str, offset: str | None) -> Recovered | None:
        """Take the saved session of a pid, and plan the client's return; None if it cannot be recovered.

        The session is removed in any case, so that no other connection continues it as well.
        """
        identity: Identity = socket.data["identity"]
        old = self._sockets.get(pid)
        if old is not None and old.data["identity"].principal == identity.principal:
            # The hub has not noticed yet that this connection is broken.
            old.session.close("forced close")
        session = await self._store.get(pid)
        if session is None or session.principal != identity.principal:
            return None  # a pid that was stolen is useless to another user
        position = received(session, offset)
        recovered = Recovered(session)
        try:
            found = position is not None and await self._plan(recovered, position, identity)
            await self._store.take(pid)  # stored before anything is replayed, or it could be replayed again
            found = found and all(back.is_valid for back in recovered.returns)
        except BaseException:
            self._release(recovered.returns)
            raise
        if not found:
            self._release(recovered.returns)
        return recovered if found else None

    async def _plan(self, recovered: Recovered, position: int, identity: Identity) -> bool:
        """Plan the return to each room; return whether that is possible everywhere without a gap."""
        hub, session = self._hub, recovered.session
        for name, (since, key, generation) in session.rooms.items():
            # It joined this room at `since`. Events before were not for it, even if its offset is older.
            epoch, after, opening = session.epoch, max(since, position), session.opening
            if not hub.access.allows(identity, "read", name) or hub.log.locate(after, epoch, opening) is None:
                return False
            try:
                room = hub.acquire_room(name, session.principal)
            except LimitExceeded:
                return False
            ring = room.ring
            plan = await self._plan_room(room, StartRequest(after=Cursor(epoch, after, opening)))
            row = hub.subscriptions.find(session.principal, name, SubscriptionName(key, key)) if key else None
            recovered.returns.append(Return(room, ring, plan, row, generation))
            # If its subscription has ended, or was moved by a seek, it must join again.
            if plan.reason is not None or (key and (row is None or row.generation != generation)):
                return False
        return True

    async def _plan_room(self, room: ActiveRoom, start: StartRequest) -> ReplayPlan:
        try:
            return await self._hub.planner.plan_replay(room, start, None, named=False)
        except BaseException:
            self._hub.release_room(room)
            raise

    def _release(self, returns: Iterable[Return]) -> None:
        for back in returns:
            self._hub.release_room(back.room)

    def _describe_live(self, socket: Socket) -> SavedSession | None:
        """Return the state of a connected socket; None while it joins a room or catches up."""
        participant = self._hub.participants.of_socket(socket)
        return None if participant is None or participant.joins else self._describe(participant)

    def _describe(self, participant: Participant) -> SavedSession | None:
        """Return the state of a participant; None while it catches up."""
        rooms: dict[str, tuple[int, str | None, int]] = {}
        for name, membership in participant.memberships.items():
            if membership.live_since is None:
                return None  # no offset tells which pages of the replay it has received
            row = membership.subscription
            rooms[name] = (membership.live_since, row.key if row else None, membership.generation)
        socket, principal, log = participant.socket, participant.identity.principal, self._hub.log
        shown = socket.auth.get("offset")
        if not isinstance(shown, str) or len(shown) > _MAX_OFFSET:
            shown = None
        return SavedSession(
            socket.id, principal, log.epoch, log.opening, self._series, participant.required_mark, shown, rooms
        )


def received(session: SavedSession, offset: str | None) -> int | None:
    """Return the position up to which a client has received everything.

    Returns
    -------
    int or None
        0 if it received no event; None if its offset does not show that it received all it must have.
    """
    shown = None if offset is None else Offset.parse(offset)
    if shown is not None and shown.series == session.series:
        return shown.position if shown.mark >= session.owed else None
    # A client that received nothing since it connected shows the same offset again.
    return 0 if offset == session.shown and offset != OPEN and not session.owed else None
