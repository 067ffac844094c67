"""Connection state recovery (docs/protocol.md#socketio-recovery): reconnected clients get missed events."""

from __future__ import annotations

import secrets
import time
import weakref
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from jupyter_rtmsg.wire.packet import OFFSET
from jupyter_rtmsg.wire.socketio import Encoded

from .rooms import Room
from .socket import Socket, SocketNamespace

FINAL = frozenset({"client namespace disconnect", "server namespace disconnect", "parse error"})
"""Reasons of a disconnect after which the state is not recovered."""


class Recovery(Protocol):
    """Remembers the sockets of a namespace and the events that they miss.

    The order for a CONNECT is: middlewares, `recover`, the answer to CONNECT, `resume`, handlers of ``connection``,
    live events.
    """

    def issue(self, socket: Socket) -> str | None:
        """Return the secret (``pid``) that a new socket can be recovered with; None if it cannot be recovered."""

    async def recover(self, socket: Socket, pid: str, offset: str | None) -> bool:
        """Restore the state of the socket that a ``pid`` belongs to, see `Socket.restore`; return whether it is known.

        ``offset`` is that of the last event that the client received; None if it received none. If another connection
        still uses the ``pid``, it is closed.
        """

    def resume(self, socket: Socket) -> None:
        """Write the missed events to a recovered socket, and make it join its rooms."""

    def ended(self, socket: Socket, reason: str) -> None:
        """Remember the state of a socket that is being disconnected. It is still in its rooms."""

    def keep(self, encoded: Encoded, rooms: Collection[Room], excluded: Collection[Room]) -> None:
        """Remember an event without acknowledgement, for the sockets in ``rooms`` that are in no excluded room."""

    def mark(self, args: Sequence[Any], volatile: bool) -> Encoded | None:
        """Return the packet that follows an event to its recoverable receivers, see `offset_event`; None for no packet.

        A client takes the last string of any event for its offset, so a volatile event may need a mark, too.
        """


def offset_event(namespace: SocketNamespace, offset: int | str) -> Encoded:
    """Encode the event that tells a client the offset of the last event.

    Node's server appends the offset to the arguments of every event, so that handlers of clients without recovery get
    a surplus argument. Clients with recovery look for the offset in any event, so an event of its own serves them as
    well and is ignored by others (docs/protocol.md#socketio-recovery).
    """
    return namespace.parser.event([OFFSET, str(offset)], namespace.name)


class _Receivers(NamedTuple):
    """The receivers of an event: the sockets in ``rooms`` (all if empty) that are in no room of ``excluded``."""

    rooms: frozenset[Room]
    excluded: frozenset[Room]

    def meet(self, rooms: frozenset[Room]) -> bool:
        """Return whether a socket in these rooms was a receiver."""
        return not (self.rooms and self.rooms.isdisjoint(rooms)) and self.excluded.isdisjoint(rooms)


class _Packet(NamedTuple):
    """An event that was emitted, its receivers, and its time (monotonic seconds)."""

    offset: int
    time: float
    receivers: _Receivers
    encoded: Encoded


@dataclass(slots=True)
class _State:
    """The state of the socket that a pid belongs to."""

    socket: Socket | None  # None while it is disconnected
    id: str
    user: Any
    start: int  # the offset when it connected, for clients that have received no event
    rooms: frozenset[Room] = frozenset()
    data: dict[str, Any] | None = None
    ended: float = 0.0
    missed: tuple[Encoded, ...] = ()


class MemoryRecovery:
    """Connection state recovery in memory, for as long as the process lives.

    A client has one `_State`, which is *connected* (``socket`` is set) or *away* (it is in ``_away``, and dropped after
    ``max_disconnection``). Events are remembered in ``_packets``. Of those that were dropped, only the newest offset
    for each set of receivers is kept, to know whether a client has missed one of them.

    Parameters
    ----------
    namespace : Namespace
    max_disconnection : float
        Seconds for which the state of a disconnected client is kept.
    max_packets, max_bytes : int
        Number and size of the events that are remembered. A client that has missed an older one cannot be recovered.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        namespace: SocketNamespace,
        *,
        max_disconnection: float = 120.0,
        max_packets: int = 10_000,
        max_bytes: int = 8 << 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._namespace: SocketNamespace = weakref.proxy(
            namespace
        )  # the namespace refers to this: avoids a reference cycle
        self._max_disconnection = max_disconnection
        self._limits = (max_packets, max_bytes)
        self._clock = clock
        self._offset = 0
        self._packets: deque[_Packet] = deque()
        self._bytes = 0
        self._forgotten: dict[_Receivers, int] = {}  # the newest dropped offset for each, in order of offset
        self._floor = 0  # nothing is known of the events up to this offset
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
        state.missed = tuple(each for packet in missed for each in self._with_offset(packet))
        socket.restore(state.id, pid, state.data or {})
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
        if self._namespace.sockets.get(socket.id) is socket:  # else it left before it had joined its rooms again
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

    def _with_offset(self, packet: _Packet) -> tuple[Encoded, Encoded]:
        """Return a packet and its offset, so that a client whose replay breaks off does not get its beginning again."""
        return packet.encoded, offset_event(self._namespace, packet.offset)

    def _take_over(self, state: _State, old: Socket) -> None:
        state.rooms, state.data = frozenset(old.joined), old.data
        state.socket = None
        old.session.close("forced close")

    def _lost(self, state: _State, after: int) -> bool:
        """Return whether an event that the socket has missed after an offset is no longer remembered."""
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
