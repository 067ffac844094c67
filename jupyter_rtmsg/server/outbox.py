"""What waits to be written to one session.

In one turn of the loop packets are added to a plain list, so that a broadcast costs one ``append`` for each member. At
the end of the turn the list is written. What the transport does not take moves to a `Backlog`, which knows how much
waits and whether it gets less. Nothing is checked while packets are added: a burst in one turn is not slowness.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from ..wire.socketio import Encoded
from .memory import Memory

CHUNK = 64 * 1024  # bytes that one write hands to a transport: what waits beyond it waits where it is counted


class Backlog:
    """Packets that the transport of a session has not taken yet, in order.

    The first packet may be half written. A packet that waits for several sessions is shared, and counted once in the
    server's `Memory`.

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
        Bytes that the transport took from here.
    moved : float
        When the peer was last seen to take something, in the loop's time; see `progressed`.
    excess : bool
        Whether too much waited at the last check.
    urgent : Encoded or None
        The packet that was added ahead of the others, while it waits.
    """

    __slots__ = ("_memory", "_offset", "_packets", "_seen", "_transient", "excess", "moved", "size", "taken", "urgent")

    def __init__(self, memory: Memory, now: float) -> None:
        self._memory = memory
        self._packets: deque[Encoded] = deque()
        self._offset = 0  # bytes of the first packet that are written
        self._transient = 0  # packets that may be dropped
        self._seen: int | None = None
        self.size = 0
        self.taken = 0
        self.moved = now
        self.excess = False
        self.urgent: Encoded | None = None

    def __bool__(self) -> bool:
        return bool(self._packets)

    @property
    def half_written(self) -> bool:
        """Whether the first packet is half written."""
        return self._offset > 0

    def add(self, packets: Iterable[Encoded]) -> None:
        """Add packets at the end."""
        for encoded in packets:
            self._packets.append(encoded)
            self._transient += encoded.volatile
            self.size += len(encoded.websocket)
            self._memory.keep(encoded)

    def jump(self, encoded: Encoded) -> None:
        """Add a packet ahead of all others, but not inside one that is half written."""
        self._packets.insert(1 if self._offset else 0, encoded)
        self.urgent = encoded
        self.size += len(encoded.websocket)
        self._memory.keep(encoded)

    def take(self, form: Callable[[Encoded], bytes]) -> bytes:
        """Return the next bytes to write, at most `CHUNK`.

        Parameters
        ----------
        form : callable
            Returns the frames of a packet: plain or compressed.
        """
        pieces: list[bytes | memoryview] = []
        room = CHUNK
        while self._packets and room:
            data = form(self._packets[0])
            stop = self._offset + room
            if not self._offset and stop >= len(data):
                pieces.append(data)
            else:
                pieces.append(memoryview(data)[self._offset : stop])
            room -= len(pieces[-1])
            if stop >= len(data):
                self._shift()
            else:
                self._offset = stop
        self.taken += CHUNK - room
        return pieces[0] if len(pieces) == 1 and type(pieces[0]) is bytes else b"".join(pieces)

    def take_packets(self, most: int) -> list[Encoded]:
        """Return the next packets, of at most so many bytes, but at least one if there is any."""
        packets: list[Encoded] = []
        size = 0
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
        """Drop the packets that may be lost, as they cannot be written now."""
        if self._transient:
            self._keep_only(lambda encoded: not encoded.volatile)

    def cut(self) -> None:
        """Drop everything but a packet that is half written: its frame must come to its end."""
        self._keep_only(lambda encoded: False)

    def clear(self) -> None:
        """Drop everything."""
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
        """Note whether the peer took something since the last call.

        Parameters
        ----------
        unsent : int
            Bytes that the transport has taken from here and not passed on.
        now : float
            The loop's time.
        """
        passed = self.taken - unsent
        if passed != self._seen:
            self._seen, self.moved = passed, now


class _Discard(list[Encoded]):
    """The outbox of a closed session. Never empty in the eyes of a writer, so that nobody flushes it."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def append(self, encoded: Encoded) -> None:
        pass


DISCARD = _Discard()


class Joiner:
    """Joins outboxes to the bytes of one write, once for all sessions that have the same pending packets."""

    __slots__ = ("_bytes", "_outbox")

    def __init__(self) -> None:
        self._outbox: list[Encoded] = []
        self._bytes: bytes | None = b""

    def join(self, outbox: list[Encoded]) -> bytes | None:
        """Return all frames of an outbox; None if they are more than one write takes."""
        if len(outbox) == 1:
            frames = outbox[0].websocket
            return frames if len(frames) <= CHUNK else None
        if outbox != self._outbox:
            self._outbox = outbox
            pieces = [encoded.websocket for encoded in outbox]
            self._bytes = b"".join(pieces) if sum(map(len, pieces)) <= CHUNK else None
        return self._bytes

    def forget(self) -> None:
        """Let go of what was joined last."""
        self._outbox, self._bytes = [], b""
