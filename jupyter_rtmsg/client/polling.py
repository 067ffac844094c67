"""The long-polling transport: GETs that wait for packets, POSTs that send them (docs/protocol.md#engineio-polling)."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count

from jupyter_rtmsg.errors import ProtocolError
from jupyter_rtmsg.wire.engineio import CLOSE, NOOP, SEPARATOR, OpenPacket, Packet, decode_payload, encode_payload
from jupyter_rtmsg.wire.socketio import EncodedPacket

from .dial import dial
from .endpoint import Endpoint
from .http import HttpConnection, HttpFailed, HttpRefused, Response
from .transport import MAX_MESSAGE, Receiver

logger = logging.getLogger(__name__)
_HIGH_WATER = 64 * 1024  # pending bytes, as in asyncio's own transports
_LOW_WATER = _HIGH_WATER // 4
_SAFE_PACKETS = 16  # in one body: python-engineio drops a larger body, and still answers OK
_SLICE = 256  # packets delivered before other tasks have a turn
_HOLD_TIMEOUT = 1.0  # seconds between a NOOP and the answer to the probe
_SEPARATOR = SEPARATOR.encode()
_TEXT = {"Content-Type": "text/plain;charset=UTF-8"}


async def open_polling(endpoint: Endpoint, receiver: Receiver) -> Polling:
    """Open a session over long-polling.

    Raises
    ------
    OSError
        If the connection cannot be made, or TLS fails.
    HttpFailed
        If the response is not Engine.IO.
    HttpRefused
        If the server does not open a session.
    """
    polling = Polling(endpoint, receiver)
    try:
        await polling.open()
    except BaseException:
        polling.abort("not opened")
        raise
    return polling


class Requests:
    """Requests made one after the other, over a connection that is kept for the next one."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection: HttpConnection | None = None

    async def make(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """Make a request and return its 2xx response. A failed request is not repeated.

        Raises
        ------
        OSError, HttpFailed, HttpRefused
        """
        connection = self._connection
        if connection is None or not connection.reusable:
            self.abort()
            connection = self._connection = await dial(self._endpoint)
        headers = {**self._endpoint.headers(), **(headers or {})}
        response = await connection.request(method, target, headers, body, MAX_MESSAGE)
        self._endpoint.keep_cookies(response)
        if not 200 <= response.status < 300:
            raise HttpRefused.by(response)
        return response

    def abort(self) -> None:
        """Close the connection at once."""
        if self._connection:
            self._connection.abort()

    @property
    def descriptor(self) -> int | None:
        """The file descriptor of the connection, if it is open."""
        return self._connection.descriptor if self._connection else None


class Polling:
    """A `ClientTransport` over long-polling. Made by `open_polling`.

    It owns two tasks: ``_poller`` makes one GET after the other, and ``_poster`` exists while packets are pending.
    States: *opening*, until `begin`; *open*; *closing*, once ``_reason`` is set by `close`, while the poster sends what
    is pending; *ended*, when the receiver has been told, or the packets were handed over.

    An upgrade calls `probing`, then `hold`, which stops both tasks between two requests, then either `hand_over`, which
    returns the packets that were not sent, or `resume`.
    """

    name = "polling"

    def __init__(self, endpoint: Endpoint, receiver: Receiver) -> None:
        self.paused = False
        self._endpoint = endpoint
        self._receiver = receiver
        self._gets, self._posts = Requests(endpoint), Requests(endpoint)
        self._numbers = count()
        self._handshake: OpenPacket | None = None
        self._pending: deque[bytes] = deque()  # packets, encoded for a body
        self._pending_bytes = 0  # of these, and of the POST that is under way
        self._max_packets = _SAFE_PACKETS  # in one body
        self._poller: asyncio.Task[None] | None = None
        self._poster: asyncio.Task[None] | None = None
        self._reading = asyncio.Event()  # cleared by `pause_reading`
        self._reading.set()
        self._probing = False
        self._no_get = asyncio.Event()  # set by `hold`: make no further GET
        self._no_post = False
        self._server_closed = False
        self._reason = ""
        self._ended = False

    # -- opening and closing

    async def open(self) -> None:
        """Make the first GET. The receiver calls `begin` when the response holds a handshake."""
        try:
            packets = await self._get()
        except ProtocolError as error:
            raise HttpFailed(f"the response is not Engine.IO: {error}") from error
        self._receiver.connected(self)
        self._receiver.received(packets)

    def begin(self, handshake: OpenPacket) -> None:
        """Take the session's id and limits, and start to poll."""
        self._handshake = handshake
        self._start_poller()

    def close(self, code: int, reason: str) -> None:
        """Send the pending packets and a CLOSE packet, then end."""
        if self._reason or self._ended:
            return
        if self._handshake is None or self._server_closed:
            self._end(reason)
            return
        self._reason = reason
        self._no_post = False  # also while an upgrade holds: the CLOSE must reach the server
        self._pending.append(CLOSE.encode())
        self._start_poster()

    def abort(self, reason: str) -> None:
        """End at once. The server notices that the GET breaks."""
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True  # first: the tasks that are cancelled below must not report another end
        self._pending.clear()
        for task in (self._poller, self._poster):
            if task and task is not asyncio.current_task():
                task.cancel()
        self._gets.abort()
        self._posts.abort()
        self._receiver.lost(self._reason or reason)

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of the open connections."""
        return [found for found in (self._gets.descriptor, self._posts.descriptor) if found is not None]

    # -- receiving

    def _start_poller(self) -> None:
        if not self._ended and (self._poller is None or self._poller.done()):
            self._poller = asyncio.get_running_loop().create_task(self._poll(), name="rtmsg polling GET")

    async def _poll(self) -> None:
        try:
            while not self._no_get.is_set() and not self._ended:
                packets = await self._get()
                await self._deliver(packets)
                if self._probing and NOOP in packets:
                    await self._expect_hold()
        except (OSError, HttpRefused) as error:
            self._end(f"transport error: {error}")
        except ProtocolError as error:
            self.close(1002, f"protocol error: {error}")
        except Exception as error:
            logger.exception("the connection is closed, because handling a packet failed")
            self._end(f"transport error: {error!r}")

    async def _expect_hold(self) -> None:
        """Wait a moment for `hold`, since a NOOP means that the server has answered the probe.

        Some servers send only one NOOP; the next GET would then wait until their next ping.
        """
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._no_get.wait(), _HOLD_TIMEOUT)

    async def _get(self) -> list[Packet]:
        response = await self._gets.make("GET", self._target())
        try:
            return decode_payload(response.body.decode())
        except UnicodeDecodeError:
            raise ProtocolError("a payload must be UTF-8") from None

    async def _deliver(self, packets: list[Packet]) -> None:
        self._server_closed = CLOSE in packets
        for at in range(0, len(packets), _SLICE):
            await self._reading.wait()
            # Handlers of the last slice may have closed the session.
            if self._ended or self._reason:
                return
            self._receiver.received(packets[at : at + _SLICE])
            if at + _SLICE < len(packets):  # one body may hold thousands of packets: let other tasks run
                await asyncio.sleep(0)

    def _target(self) -> str:
        # `t` differs in every request, for caches that ignore Cache-Control
        session = {"sid": self._handshake.sid} if self._handshake else {}
        return self._endpoint.target("polling", t=str(next(self._numbers)), **session)

    def pause_reading(self) -> None:
        """Deliver no packets until `resume_reading`; the server then keeps the next ones."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Deliver packets again."""
        self._reading.set()

    # -- sending

    def send(self, packet: EncodedPacket) -> None:
        """Send a Socket.IO packet."""
        self._add(packet.payload())

    def write(self, packets: Sequence[Packet]) -> None:
        """Send Engine.IO packets."""
        self._add(encode_payload(packets))

    def _add(self, payload: str) -> None:
        if self._reason or self._ended:
            return
        # Counted as a whole but kept packet by packet, since the limits of a body may change before they are sent.
        encoded = payload.encode()
        self._pending.extend(encoded.split(_SEPARATOR))
        self._pending_bytes += len(encoded)
        self.paused = self._pending_bytes > _HIGH_WATER
        self._start_poster()

    def fits(self, size: int, attachments: Sequence[bytes]) -> bool:
        """Return whether the server accepts an event of ``size`` bytes, and a body each attachment, as base64."""
        assert self._handshake
        limit = self._handshake.max_payload
        text = size - sum(map(len, attachments))
        largest = max([text, *(4 * ((len(item) + 2) // 3) + 1 for item in attachments)])
        return size <= limit and largest <= min(limit, self._endpoint.max_packet)

    def _start_poster(self) -> None:
        if not self._no_post and not self._ended and (self._poster is None or self._poster.done()):
            self._poster = asyncio.get_running_loop().create_task(self._post(), name="rtmsg polling POST")

    async def _post(self) -> None:
        try:
            while self._pending and not self._no_post:
                await self._post_body(self._take_packets())
        except (OSError, HttpRefused) as error:
            self._end(f"transport error: {error}")
        else:
            if self._reason and not self._pending:
                self._end(self._reason)

    async def _post_body(self, packets: list[bytes]) -> None:
        body = _SEPARATOR.join(packets)
        try:
            response = await self._posts.make("POST", self._target(), body, _TEXT)
        except HttpRefused as error:
            if error.status == 413:  # by a proxy: the server's own limit was respected
                self._endpoint.shrink_bodies(len(body), len(packets))
            raise
        if response.body == b"ok":  # Node's server and ours accept any number of packets
            self._max_packets = sys.maxsize
        self._sent(len(body))

    def _take_packets(self) -> list[bytes]:
        """Remove and return the packets of the next body, at least one."""
        assert self._handshake
        packets = [self._pending.popleft()]
        size, limit = len(packets[0]), min(self._handshake.max_payload, self._endpoint.max_batch)
        while self._pending and len(packets) < self._max_packets and size + 1 + len(self._pending[0]) <= limit:
            packets.append(self._pending.popleft())
            size += 1 + len(packets[-1])
        return packets

    def _sent(self, size: int) -> None:
        self._pending_bytes = max(0, self._pending_bytes - size) if self._pending else 0
        if self.paused and self._pending_bytes <= _LOW_WATER:
            self.paused = False
            self._receiver.writable()

    # -- the upgrade (docs/protocol.md#engineio-upgrade)

    def probing(self) -> None:
        """Note that an upgrade has begun: from now on a NOOP means that the server waits for it."""
        self._probing = True

    async def hold(self) -> None:
        """Let the GET under way end, then the POST, and make no further requests.

        Raises
        ------
        ConnectionResetError
            If the session ends meanwhile.
        """
        self._no_get.set()
        await _end_of(self._poller)  # packets are still sent meanwhile: the server may take its time
        self._no_post = True
        await _end_of(self._poster)
        # Neither a GET nor a POST is under way now, so no packet is lost or overtaken when the WebSocket takes over.
        if self._ended or self._reason:
            raise ConnectionResetError("the session has ended")

    def resume(self) -> None:
        """Continue after an upgrade that failed."""
        self._probing = self._no_post = False
        self._no_get.clear()
        if not self._reason:
            self._start_poller()
        if self._pending:
            self._start_poster()

    def hand_over(self) -> list[Packet]:
        """End without telling the receiver, and return the packets that were not sent. Called after `hold`."""
        rest = _SEPARATOR.join(self._pending).decode()
        self._ended = True
        self._gets.abort()
        self._posts.abort()
        return decode_payload(rest) if rest else []


async def _end_of(task: asyncio.Task[None] | None) -> None:
    if task and not task.done():
        await asyncio.wait({task})
