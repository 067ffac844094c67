"""Packets that wait to be written to a session.

In one turn of the event loop packets are appended to a plain list, ``Session.out``, so that a broadcast costs one
``append`` for each member. At the end of the turn the list is written. Packets that the transport does not take move to
a `Backlog`, which measures how much waits and whether the peer reads. Nothing is checked when packets are appended: a
burst in one turn does not make a peer slow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from jupyter_rtmsg.wire.socketio import Encoded

from .memory import Memory

CHUNK = 64 * 1024  # bytes of one write to a transport; the rest waits in the backlog, where it is counted


class Backlog:
    """The packets that the transport of a session has not taken yet, in order.

    The first packet may be half written: ``_offset`` bytes of it are. It cannot be dropped then, since a frame must be
    complete. A packet that waits for several sessions is shared, and counted once in the server's `Memory`.

    Parameters
    ----------
    memory : Memory
    now : float
        The loop's time.

    Attributes
    ----------
    size : int
        Bytes that wait.
    taken : int
        Bytes that the transport took.
    moved : float
        When the peer was last known to read, in the loop's time; see `progressed`.
    urgent : Encoded or None
        The packet that was added ahead of the others, while it waits.
    """

    __slots__ = ("_excess", "_memory", "_offset", "_packets", "_seen", "_transient", "moved", "size", "taken", "urgent")

    def __init__(self, memory: Memory, now: float) -> None:
        self._memory = memory
        self._packets: deque[Encoded] = deque()
        self._offset = 0
        self._transient = 0  # volatile packets
        self._seen: int | None = None  # bytes that the peer had read at the last call of `progressed`
        self._excess = False  # whether too much waited at the last check
        self.size = 0
        self.taken = 0
        self.moved = now
        self.urgent: Encoded | None = None

    def __bool__(self) -> bool:
        return bool(self._packets)

    @property
    def half_written(self) -> bool:
        """Whether the first packet is half written."""
        return self._offset > 0

    def add(self, packets: Iterable[Encoded]) -> None:
        """Append packets."""
        for encoded in packets:
            self._packets.append(encoded)
            self._transient += encoded.volatile
            self.size += len(encoded.websocket)
            self._memory.keep(encoded)

    def jump(self, encoded: Encoded) -> None:
        """Insert a packet ahead of the others, but behind one that is half written."""
        self._packets.insert(1 if self._offset else 0, encoded)  # a frame must not be interrupted
        self.urgent = encoded
        self.size += len(encoded.websocket)
        self._memory.keep(encoded)

    def take(self, form: Callable[[Encoded], bytes]) -> bytes:
        """Return the next bytes to write, at most `CHUNK`.

        Parameters
        ----------
        form : callable
            Returns the frames of a packet, plain or compressed.
        """
        pieces: list[bytes | memoryview] = []
        room = CHUNK
        while self._packets and room:
            data = form(self._packets[0])
            stop = self._offset + room
            if not self._offset and stop >= len(data):
                pieces.append(data)
            else:  # a view, or the rest of a large packet would be copied for each chunk
                pieces.append(memoryview(data)[self._offset : stop])
            room -= len(pieces[-1])
            if stop >= len(data):
                self._shift()
            else:
                self._offset = stop  # the packet is half written
        self.taken += CHUNK - room
        return pieces[0] if len(pieces) == 1 and type(pieces[0]) is bytes else b"".join(pieces)

    def take_packets(self, most: int) -> list[Encoded]:
        """Remove and return the next packets, of at most ``most`` bytes, but at least one if there is any."""
        packets: list[Encoded] = []
        size = 0
        # The first one in any case: a packet larger than `most` would otherwise block all those behind it.
        while self._packets and (not packets or size + len(self._packets[0].websocket) <= most):
            size += len(self._packets[0].websocket)
            packets.append(self._shift())
        self.taken += size
        return packets

    def _shift(self) -> Encoded:
        encoded = self._packets.popleft()
        self._offset = 0
        self._drop(encoded)
        return encoded

    def _drop(self, encoded: Encoded) -> None:
        if encoded is self.urgent:
            self.urgent = None
        self._transient -= encoded.volatile
        self.size -= len(encoded.websocket)
        self._memory.drop(encoded)

    def drop_volatile(self) -> None:
        """Drop the volatile packets: they cannot be written now."""
        if self._transient:
            self._keep_only(lambda encoded: not encoded.volatile)

    def cut(self) -> None:
        """Drop all packets but one that is half written."""
        self._keep_only(lambda encoded: False)  # which keeps a half-written one: a frame must be complete

    def clear(self) -> None:
        """Drop all packets."""
        self._offset = 0
        self.cut()

    def _keep_only(self, kept: Callable[[Encoded], bool]) -> None:
        packets, self._packets = self._packets, deque()
        for at, encoded in enumerate(packets):
            if kept(encoded) or (not at and self._offset):
                self._packets.append(encoded)
            else:
                self._drop(encoded)

    def progressed(self, unsent: int, now: float) -> None:
        """Note whether the peer has read something since the last call.

        Parameters
        ----------
        unsent : int
            See `Transport.unsent`.
        now : float
            The loop's time.
        """
        passed = self.taken - unsent
        if passed != self._seen:
            self._seen, self.moved = passed, now

    def too_slow(self, unsent: int, now: float, max_queue: int, send_timeout: float) -> str | None:
        """Return why the peer is too slow, None if it is not. Called once a second.

        Parameters
        ----------
        unsent : int
            See `Transport.unsent`.
        now : float
            The loop's time.
        max_queue, send_timeout
            See `Engine`. More than ``max_queue`` must wait at two calls in a row.
        """
        # Progress is measured at the peer and not at the transport, whose buffers take bytes that nobody reads.
        self.progressed(unsent, now)
        waiting, excess = self.size + unsent, self._excess
        self._excess = waiting > max_queue
        if now - self.moved >= send_timeout:
            return f"nothing was read for {now - self.moved:.0f} s while {waiting:,} bytes were waiting"
        if excess and self._excess:
            return f"{waiting:,} bytes were waiting, more than {max_queue:,}"
        return None


class _Discard(list[Encoded]):
    """The ``out`` list of a closed session. It drops packets, and is true so that writers do not schedule a flush."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def append(self, encoded: Encoded) -> None:
        pass


DISCARD = _Discard()


class WriteCoalescer:
    """Joins the packets of an ``out`` list to the bytes of one write, once for all sessions with the same packets."""

    __slots__ = ("_bytes", "_outbox")

    def __init__(self) -> None:
        self._outbox: list[Encoded] = []
        self._bytes: bytes | None = b""

    def join(self, outbox: list[Encoded]) -> bytes | None:
        """Return the frames of all packets; None if they are larger than `CHUNK`."""
        if len(outbox) == 1:
            frames = outbox[0].websocket
            return frames if len(frames) <= CHUNK else None
        if outbox != self._outbox:  # compares by identity of the packets: cheap, and true for all members of a room
            self._outbox = outbox
            pieces = [encoded.websocket for encoded in outbox]
            self._bytes = b"".join(pieces) if sum(map(len, pieces)) <= CHUNK else None
        return self._bytes

    def forget(self) -> None:
        """Drop the last result."""
        self._outbox, self._bytes = [], b""
