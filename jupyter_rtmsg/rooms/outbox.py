"""The outbox: events on their way to the hub, kept until acknowledged and sent again after a reconnect.

The hub stores an event with the same id once. So it is safe to send an event again, and each is stored exactly once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

from jupyter_rtmsg.client.socket import SocketClient
from jupyter_rtmsg.errors import (
    CommandError,
    Disconnected,
    IdConflict,
    LimitExceeded,
    QueueFull,
    RtmsgError,
)
from jupyter_rtmsg.futures import Waiters
from jupyter_rtmsg.payloads.lazy import dump_payload
from jupyter_rtmsg.wire.data import encode_json
from jupyter_rtmsg.wire.socketio import MAX_ATTACHMENTS

from .commands import NOT_NOW, Reply, reply_of
from .misuse import check_publish, lifetime
from .publish import Publish, data_fields
from .receipt import Receipt
from .uploads import FIELDS, Uploads

logger = logging.getLogger(__name__)
_WINDOW = 1_000  # events in flight: enough to fill the hub's group commits, few enough to be sent again
_PAUSE = 0.25  # seconds without sending, after a refusal that says "not now"
_MAX_DEPTH = 60


class Outbox:
    """The queue of a client's events, in order.

    An event is in ``_unacknowledged`` from `add` until the hub has stored or refused it. Until it is sent it is in
    ``_waiting``, too; then it counts in ``_in_flight``. ``_open`` is set while there is a connection and the rooms are
    joined: no event may overtake those that are sent again, nor the joins. ``_paused`` is set for a moment after a
    refusal that says "not now". While ``_uploads`` sends the parts of an event, those behind it wait.

    `HubConnection` owns it. `draft`, `fits` and `hand_in` are thread-safe; all else runs on the I/O loop.

    Parameters
    ----------
    socket : SocketClient
    client : str
        The id of the client, from which the ids of events are made.
    max_events, max_bytes : int
        How much may wait for an acknowledgement.
    max_event : callable, optional
        See `Uploads`.
    """

    def __init__(
        self,
        socket: SocketClient,
        client: str,
        max_events: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        max_event: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._socket = socket
        self._uploads = Uploads(socket, self._staged, max_event)
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._unacknowledged: dict[tuple[str, str], Publish] = {}
        self._waiting: deque[Publish] = deque()
        self._bytes = 0
        self._in_flight = 0
        self._open = False
        self._paused = False
        self._resuming: asyncio.TimerHandle | None = None
        self._removed = Waiters()
        self._handed_in: deque[Publish] = deque()
        self._scheduled = False
        self._loop = asyncio.get_running_loop()
        self._ids = map(f"{client[:12]}-%d".__mod__, count(1))

    # --- in

    def draft(
        self,
        room: str,
        event: str,
        data: Any,
        *,
        id: str | None = None,
        volatile: bool = False,
        expect: int | None = None,
        retain: str | None = None,
        expire: float | None = None,
        keep: bool = False,
    ) -> Publish:
        """Encode an event, with a new id unless one is given. Thread-safe.

        Raises
        ------
        NotJSON, TooLarge, BadEvent, ReservedEvent, LimitExceeded
            If the event cannot be sent.
        """
        key = id if id is not None else next(self._ids)
        publish = encode_publish(
            room, event, data, key, auto=id is None, volatile=volatile, expect=expect, retain=retain,
            expire=lifetime(expire), keep=keep,
        )  # fmt: skip
        self.check(publish)
        return publish

    def fits(self, size: int) -> bool:
        """Return whether there is capacity for an event of ``size`` bytes. Thread-safe."""
        # On another thread both may change meanwhile. The limits need not be exact, so there is no lock.
        number = len(self._unacknowledged) + len(self._handed_in)
        return number < self._max_events and self._bytes + size <= self._max_bytes

    def check(self, publish: Publish) -> None:
        """Raise `TooLarge` if the event can be sent neither in a message nor in parts."""
        error = None if self._fits_whole(publish) else self._uploads.error(publish)
        if error:
            raise error

    async def admit(self, publish: Publish, timeout: float) -> None:
        """Wait for capacity, while there is a connection over which events are acknowledged.

        Raises
        ------
        QueueFull
            At once while offline, else after ``timeout`` seconds.
        """
        deadline = self._loop.time() + timeout
        while not self.fits(publish.size):
            remaining = deadline - self._loop.time()
            if not self._socket.connected or remaining <= 0:
                raise QueueFull(
                    f"{len(self._unacknowledged):,} events ({self._bytes:,} bytes) wait to be stored; the queue holds "
                    f"{self._max_events:,} ({self._max_bytes:,} bytes), and the connection is {self._socket.state}"
                )
            await self._removed.wait(remaining)

    async def put(self, publish: Publish, timeout: float) -> Receipt:
        """Queue an event when there is capacity. If one with the same room and id is queued, return its receipt.

        Raises
        ------
        IdConflict
            If the queued event has another name or other data.
        QueueFull
            If there is no capacity in time.
        """
        self._socket.io.check_loop()
        known = self._unacknowledged.get(publish.key)
        if known and not known.same(publish):  # as the hub refuses it once the first is stored
            raise IdConflict(
                f"an event with the id {publish.receipt.id!r} is on its way, with another name or other data"
            )
        if known:
            return known.receipt
        await self.admit(publish, timeout)
        self.add(publish)
        return publish.receipt

    def hand_in(self, publish: Publish) -> None:
        """Schedule `add` on the I/O loop. Thread-safe."""
        self._handed_in.append(publish)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon_threadsafe(self._take_handed_in)

    def _take_handed_in(self) -> None:
        # Cleared first: an event that is handed in during the loop schedules another call, and none is left behind.
        self._scheduled = False
        while self._handed_in:
            self.add(self._handed_in.popleft())

    def add(self, publish: Publish) -> None:
        """Queue an event, and send it if possible. A volatile event that cannot be sent now is dropped."""
        if self._socket.state == "closed":
            publish.receipt.refused(Disconnected("the client was closed"))
        elif publish.volatile and not (self._open and self._socket.can_write):
            publish.receipt.stored(None)
        else:
            self._unacknowledged[publish.key] = publish
            self._bytes += publish.size
            self._waiting.append(publish)
            self.pump()

    # --- out

    def pump(self) -> None:
        """Send events while the connection accepts them."""
        while self._waiting and self._may_send:
            publish = self._waiting.popleft()
            if self._fits_whole(publish):
                self._send(publish, publish.json, publish.attachments)
            elif error := self._uploads.error(publish):  # since `check`, server or transport may have changed
                self._finish(publish, error)
            else:
                self._uploads.begin(publish)
        if self._uploads.busy:
            self._uploads.go_on()

    def _fits_whole(self, publish: Publish) -> bool:
        """Return whether an event fits into a message. Thread-safe."""
        # The hub reserves some bytes of a message for the fields that it adds. Events that cannot be cut may have them.
        reserved = FIELDS if publish.may_be_cut else 0
        fits = publish.size + reserved <= self._socket.max_payload
        return fits and self._socket.fits(publish.size, publish.attachments)

    @property
    def _may_send(self) -> bool:
        ready = self._open and not self._paused and not self._uploads.busy
        return ready and self._in_flight < _WINDOW and self._socket.can_write

    def _send(self, publish: Publish, json: bytes, attachments: Sequence[bytes]) -> None:
        publish.send(under_way=True)
        self._in_flight += 1
        self._socket.request(json, attachments, partial(self._answer, publish))

    def _staged(self, publish: Publish, error: RtmsgError | None) -> None:
        """Send an event whose parts the hub has, or take its refusal of them."""
        if error is None:
            self._send(publish, publish.commit(), ())
        else:
            self._finish(publish, error)
        self.pump()

    def connected(self) -> None:
        """Send again all unacknowledged events, in order, before any other."""
        self._open = True
        self._in_flight = 0  # the ACKs of the lost connection will not come
        self._paused = False
        for publish in self._unacknowledged.values():
            publish.staged(None)  # the hub has dropped the parts with the connection
        self._requeue(lambda publish: True)

    def lost(self) -> None:
        """Learn that the connection was lost. `admit` raises, and volatile events are dropped."""
        self._open = False
        self._uploads.stop()
        self._removed.wake()
        # A volatile event is about the present, so it must not be sent again after the reconnect.
        for publish in [publish for publish in self._unacknowledged.values() if publish.volatile]:
            self._finish(publish, None)

    def _requeue(self, wanted: Callable[[Publish], bool]) -> None:
        self._waiting.clear()
        for publish in self._unacknowledged.values():  # in the order of `add`, which is the order of the log
            if wanted(publish) and publish is not self._uploads.current:
                publish.send(under_way=False)
                self._waiting.append(publish)
        self.pump()

    def _answer(self, publish: Publish, answer: Any) -> None:
        if isinstance(answer, BaseException):
            return  # the connection was lost; the event is sent again
        self._in_flight -= 1
        try:
            reply = reply_of(answer)
        except CommandError as error:
            if error.code in NOT_NOW or (error.code == "not_staged" and publish.restage()):
                self._postpone(publish, error)
                return
            self._finish(publish, error)
        else:
            self._finish(publish, reply.get("seq"), reply)
        self.pump()

    def _postpone(self, publish: Publish, error: CommandError) -> None:
        publish.send(under_way=False)
        # All events in flight may be refused like this. The first refusal pauses; the others start no second timer.
        if not self._paused:
            self._paused = True
            logger.warning("the hub asks to slow down (%s: %s); events wait in the queue", error.code, error)
            self._resuming = self._loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        self._paused = False
        # Those in flight have no answer yet. Sending them twice would add to the load that the hub asked to reduce.
        self._requeue(lambda publish: not publish.sent)

    def _finish(self, publish: Publish, outcome: int | Exception | None, reply: Reply | None = None) -> None:
        if self._unacknowledged.pop(publish.key, None) is not publish:
            return  # finished already: dropped by `lost`, or given up by `close`
        self._bytes -= publish.size
        if isinstance(outcome, Exception):
            publish.receipt.refused(outcome)
        else:
            reply = reply or {}
            durable = None if outcome is None else reply.get("durable") is not False
            publish.receipt.stored(outcome, durable=durable, duplicate=reply.get("duplicate") is True)
        if self._removed:
            self._removed.wake()

    async def flush(self, timeout: float) -> None:
        """Wait until all events are acknowledged, for at most ``timeout`` seconds, and not without a connection."""
        self._take_handed_in()  # events of other threads that the loop has not taken yet
        deadline = self._loop.time() + timeout
        while self._unacknowledged and self._open and self._loop.time() < deadline:
            await self._removed.wait(deadline - self._loop.time())

    def close(self) -> None:
        """Give up the events that are left, with a warning."""
        self._uploads.stop()
        if self._resuming:
            self._resuming.cancel()
        left = list(self._unacknowledged.values())
        if left:
            logger.warning("%d events were not acknowledged when the client was closed; they may be missing", len(left))
        for publish in left:
            publish.receipt.seen()
            self._finish(publish, Disconnected("the client was closed before the hub acknowledged the event"))


def encode_publish(
    room: str,
    event: str,
    data: Any,
    id: str,
    *,
    auto: bool = False,
    volatile: bool = False,
    expect: int | None = None,
    retain: str | None = None,
    expire: float | None = None,
    keep: bool = False,
) -> Publish:
    """Check and encode an event.

    Parameters
    ----------
    room, event : str
    data : object
        JSON, with bytes and payloads anywhere inside.
    id : str
    auto : bool
        Whether the client made the id, so that the hub compares it with ids of this client only.
    volatile : bool
    expect : int, optional
        The seq that the room's head must have; with ``retain``, the value of the key.
    retain : str, optional
        The key whose value the event becomes.
    expire : float, optional
        The seconds after which it is gone.
    keep : bool
        Whether the value stays when the event has expired.

    Raises
    ------
    NotJSON
        If the data contain other types than those of JSON and bytes, are nested too deeply, or contain themselves.
    BadEvent, ReservedEvent
        If the name may not be used.
    LimitExceeded
        If there are too many bytes objects.
    """
    check_publish(event)
    json, attachments = dump_payload(data, max_depth=_MAX_DEPTH)
    if len(attachments) > MAX_ATTACHMENTS:
        raise LimitExceeded(f"{len(attachments)} bytes objects in one event; {MAX_ATTACHMENTS} are allowed")
    # The parts are joined as bytes, so that the data are encoded once, and their depth is that of the data alone.
    before = [b'["publish",{"room":', encode_json(room), b',"event":', encode_json(event), b',"id":', encode_json(id)]
    fields = [*before, b',"data":', json]
    if auto:
        fields.append(b',"auto":true')
    if volatile:
        fields.append(b',"volatile":true')
    if expect is not None:
        fields += [b',"expect":', encode_json(expect)]
    if retain is not None:
        fields += [b',"retain":', encode_json(retain)]
    if expire is not None:
        fields += [b',"expire":', encode_json(expire)]
    if keep:
        fields.append(b',"keep":true')
    receipt = Receipt(id, f"{event!r} in room {room!r}")
    data = None if volatile or retain is not None else data_fields(before, b',"data":', json)
    return Publish(room, b"".join([*fields, b"}]"]), attachments, receipt, volatile, data)
