"""Connection state recovery (docs/protocol.md#socketio-recovery): a client that was away goes on where it was."""

from __future__ import annotations

import secrets
import time
import weakref
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..wire.packet import OFFSET
from ..wire.socketio import Encoded

if TYPE_CHECKING:
    from .namespace import Namespace
    from .rooms import Room
    from .socket import Socket

FINAL = frozenset({"client namespace disconnect", "server namespace disconnect", "parse error"})
"""Reasons for a disconnect that nobody comes back from with the same state."""


class Recovery(Protocol):
    """What a namespace asks of whoever remembers its sockets.

    The order is: middlewares, `recover`, the ``40``, `resume`, handlers of ``connection``, live events.
    """

    def issue(self, socket: Socket) -> str | None:
        """Return the secret that a new socket can be recovered with; None: it cannot."""

    async def recover(self, socket: Socket, pid: str, offset: str | None) -> bool:
        """Give a socket that was accepted the id, rooms and data of the one that a pid belongs to, if it can be done.

        ``offset`` is that of the last event that the client saw; None if it saw none. A connection that still uses the
        pid is taken over.
        """

    def resume(self, socket: Socket) -> None:
        """Write what a recovered socket missed, and put it into its rooms."""

    def ended(self, socket: Socket, reason: str) -> None:
        """A socket is disconnected; it is still in its rooms."""

    def keep(self, encoded: Encoded, rooms: Collection[Room], excluded: Collection[Room]) -> None:
        """Remember an event that asks for no acknowledgement, for whoever is in some rooms and in none of others."""

    def mark(self, args: Sequence[Any], volatile: bool) -> Encoded | None:
        """Return what follows an event to those of its receivers who may be recovered: see `offset_event`.

        A client takes the last string of any event for its offset, so a volatile event may need one behind it, too.
        None: this event does not.
        """


def offset_event(namespace: Namespace, offset: int | str) -> Encoded:
    """Encode the event that tells a client how far it is.

    Node's server puts the offset behind the arguments of every event, so that handlers of clients that know nothing of
    recovery get an argument more. Clients that know of it look for it in any event, so an event of its own serves them
    as well, and troubles nobody else (docs/protocol.md#socketio-recovery).
    """
    return namespace.parser.event([OFFSET, str(offset)], namespace.name)


class _Receivers(NamedTuple):
    """To whom an event went: everyone in some rooms (none: everyone) who is in none of the others."""

    rooms: frozenset[Room]
    excluded: frozenset[Room]

    def meet(self, rooms: frozenset[Room]) -> bool:
        """Tell whether a socket in these rooms was among them."""
        return not (self.rooms and self.rooms.isdisjoint(rooms)) and self.excluded.isdisjoint(rooms)


class _Packet(NamedTuple):
    """An event that was emitted: to whom, and when (monotonic seconds)."""

    offset: int
    time: float
    receivers: _Receivers
    encoded: Encoded


@dataclass(slots=True)
class _State:
    """What is known of the socket that a pid belongs to."""

    socket: Socket | None  # while it is connected
    id: str
    user: Any
    start: int  # the offset when it came: for clients that saw no event
    rooms: frozenset[Room] = frozenset()
    data: dict[str, Any] | None = None
    ended: float = 0.0
    missed: tuple[Encoded, ...] = ()


class MemoryRecovery:
    """Recovery for a server that stands alone: it lasts as long as the process.

    Parameters
    ----------
    namespace : Namespace
    max_disconnection : float
        Seconds that a client may be away.
    max_packets, max_bytes : int
        Events that are remembered, and their size. A client that missed one that is not cannot be recovered.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        namespace: Namespace,
        *,
        max_disconnection: float = 120.0,
        max_packets: int = 10_000,
        max_bytes: int = 8 << 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._namespace: Namespace = weakref.proxy(namespace)  # which holds this: a namespace nobody needs goes at once
        self._max_disconnection = max_disconnection
        self._limits = (max_packets, max_bytes)
        self._clock = clock
        self._offset = 0
        self._packets: deque[_Packet] = deque()
        self._bytes = 0
        self._forgotten: dict[_Receivers, int] = {}  # the newest offset for each, in order of offset
        self._floor = 0  # nothing is known of what was forgotten up to here
        self._states: dict[str, _State] = {}
        self._away: deque[tuple[float, str]] = deque()

    def issue(self, socket: Socket) -> str:
        """See `Recovery.issue`."""
        pid = secrets.token_urlsafe(18)
        self._states[pid] = _State(socket, socket.id, socket.user, self._offset)
        return pid

    async def recover(self, socket: Socket, pid: str, offset: str | None) -> bool:
        """See `Recovery.recover`."""
        self._expire()
        state = self._states.get(pid)
        if state is None or state.user != socket.user:
            return False
        if state.socket is not None:
            self._take_over(state, state.socket)
        after = _number(offset, state.start)
        if after is None or after > self._offset or self._lost(state, after):
            del self._states[pid]
            return False
        rooms = state.rooms | {state.id}
        missed = [packet for packet in self._packets if packet.offset > after and packet.receivers.meet(rooms)]
        state.missed = tuple(each for packet in missed for each in self._told(packet))
        socket.id, socket.pid, socket.data = state.id, pid, state.data or {}
        state.socket = socket
        return True

    def resume(self, socket: Socket) -> None:
        """See `Recovery.resume`."""
        state = self._states[str(socket.pid)]
        socket.write(state.missed)
        state.missed = ()
        socket.join(*state.rooms)

    def ended(self, socket: Socket, reason: str) -> None:
        """See `Recovery.ended`."""
        pid = str(socket.pid)
        state = self._states.get(pid)
        if state is None or state.socket is not socket:
            return
        if reason in FINAL:
            del self._states[pid]
            return
        state.socket = None
        if self._namespace.sockets.get(socket.id) is socket:  # else it was gone before it was back in its rooms
            state.rooms, state.data = frozenset(socket.joined), socket.data
        state.ended = self._clock()
        self._away.append((state.ended, pid))

    def keep(self, encoded: Encoded, rooms: Collection[Room], excluded: Collection[Room]) -> None:
        """See `Recovery.keep`."""
        self._offset += 1
        receivers = _Receivers(frozenset(rooms), frozenset(excluded))
        self._packets.append(_Packet(self._offset, self._clock(), receivers, encoded))
        self._bytes += len(encoded.websocket)
        self._expire()

    def mark(self, args: Sequence[Any], volatile: bool) -> Encoded | None:
        """See `Recovery.mark`."""
        if volatile and not isinstance(args[-1], str):
            return None
        return offset_event(self._namespace, self._offset)

    def _told(self, packet: _Packet) -> tuple[Encoded, Encoded]:
        """Return a packet and its offset: who is cut in the midst of a replay does not get its beginning again."""
        return packet.encoded, offset_event(self._namespace, packet.offset)

    def _take_over(self, state: _State, old: Socket) -> None:
        state.rooms, state.data = frozenset(old.joined), old.data
        state.socket = None
        old.session.close("forced close")

    def _lost(self, state: _State, after: int) -> bool:
        """Tell whether something that the socket should have had after an offset is remembered no more."""
        rooms = state.rooms | {state.id}
        return after < self._floor or any(
            offset > after and receivers.meet(rooms) for receivers, offset in self._forgotten.items()
        )

    def _expire(self) -> None:
        oldest = self._clock() - self._max_disconnection
        while self._away and self._away[0][0] <= oldest:
            ended, pid = self._away.popleft()
            state = self._states.get(pid)
            if state is not None and state.socket is None and state.ended == ended:
                del self._states[pid]
        packets, (most, most_bytes) = self._packets, self._limits
        while packets and (packets[0].time <= oldest or len(packets) > most or self._bytes > most_bytes):
            self._forget(packets.popleft())

    def _forget(self, packet: _Packet) -> None:
        self._bytes -= len(packet.encoded.websocket)
        self._forgotten.pop(packet.receivers, None)
        self._forgotten[packet.receivers] = packet.offset
        if len(self._forgotten) > self._limits[0]:
            self._floor = self._forgotten.pop(next(iter(self._forgotten)))


def _number(offset: str | None, default: int) -> int | None:
    if offset is None:
        return default
    return int(offset) if offset.isascii() and offset.isdigit() and len(offset) < 20 else None
