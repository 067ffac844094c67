"""A Socket.IO client that stays connected: namespace ``/``, over WebSocket."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, overload

from jupyter_rtmsg.errors import AckTimeout, Disconnected, ServerUnreachable
from jupyter_rtmsg.wire.socketio import (
    ACK,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    Encoded,
    Packet,
    encode_ack,
    encode_connect,
    encode_disconnect,
    encode_event,
    header,
)

from .address import Address
from .backoff import Backoff
from .handlers import Handler, Handlers
from .lane import Call, LaneFactory, TaskLane
from .refusal import connect_error, reason_of, refusal
from .session import Session, either
from .transport import UpgradeRefused

F = TypeVar("F", bound=Callable[..., Any])
_log = logging.getLogger("jupyter_rtmsg")
_MAX_CALLS = 10_000


class SocketClient:
    """The plain Socket.IO client.

    Parameters
    ----------
    url : str
        The base URL: the wire is at ``<url>socket.io/``.
    token : str, optional
        Sent in an ``Authorization`` header, never in a URL.
    auth : dict, optional
        Sent with Socket.IO's CONNECT.
    tls : ssl.SSLContext, optional
        For ``https``; certificates are verified by default.
    lanes : callable, optional
        Makes the lane on which handlers run.

    Attributes
    ----------
    id : str or None
        The server's id of this connection; another one after each reconnect.
    state : str
        ``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``.

    Examples
    --------
    >>> socket = SocketClient("http://127.0.0.1:8888/", token="...")
    >>> await socket.connect()
    >>> await socket.emit_with_ack("sum", 1, 2)
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        auth: Mapping[str, Any] | None = None,
        tls: ssl.SSLContext | None = None,
        lanes: LaneFactory = TaskLane,
    ) -> None:
        self.address = Address.parse(url)
        self.id: str | None = None
        self.state = "connecting"
        self.max_payload = 1_000_000
        # What the hub's client adds: a look at every event, a step between CONNECT and "connected", and signals.
        self.route: Callable[[list[Any], int], bool] | None = None
        self.prepare: Callable[[], Awaitable[None]] | None = None
        self.on_batch: Callable[[], None] = _nothing
        self.on_writable: Callable[[], None] = _nothing
        self.on_lost: Callable[[], None] = _nothing
        token = token or self.address.token
        self._headers = {"Authorization": f"token {token}"} if token else {}
        self._auth = dict(auth or {})
        self._tls = tls
        self._session: Session | None = None
        self._joined: asyncio.Future[None] | None = None
        self._acks: dict[int, Callable[[Any], None]] = {}
        self._next_id = 0
        self._task: asyncio.Task[None] | None = None
        self._changed: set[asyncio.Future[None]] = set()
        self._error: BaseException | None = None
        self._handlers = Handlers()
        self._state_handlers = Handlers()
        self._calls: deque[Call] = deque()
        self._lane = lanes(self._take_calls, "rtmsg socket")
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- connecting

    async def connect(self, timeout: float = 10.0) -> None:
        """Connect for the first time, and stay connected until `disconnect`.

        Raises
        ------
        AccessDenied
            At once, if the server refuses the token, or there is none.
        ServerNotFound
            At once, if there is a server without the extension.
        ServerUnreachable
            If none answers within ``timeout`` seconds.
        """
        if self._task:
            raise RuntimeError("this client has been connected before")
        self._loop = asyncio.get_running_loop()
        first: asyncio.Future[None] = self._loop.create_future()
        self._task = self._loop.create_task(self._keep(first), name="rtmsg connection")
        try:
            await asyncio.wait_for(asyncio.shield(first), timeout)
        except asyncio.TimeoutError:
            await self.disconnect()
            raise ServerUnreachable(
                f"{self.address.url} did not answer within {timeout:g} s: {reason_of(self._error)}"
            ) from None
        except BaseException:
            await self.disconnect()
            raise

    async def _keep(self, first: asyncio.Future[None]) -> None:
        backoff = Backoff()
        while True:
            try:
                session = await self._open()
            except (OSError, asyncio.TimeoutError, UpgradeRefused, Disconnected) as error:
                self._remember(error)
            except Exception as error:  # noqa: BLE001 - what trying again does not mend: it is for who connects
                if not first.done():
                    first.set_exception(error)
                    return
                self._remember(error)
            else:
                backoff.reset()
                self._error = None
                self._set_state("connected")
                if not first.done():
                    first.set_result(None)
                reason = await session.ended
                _log.info("the connection to %s was lost: %s", self.address.url, reason)
            if first.done():
                self._set_state("offline")
            await asyncio.sleep(backoff.next())

    def _remember(self, error: BaseException) -> None:
        if str(error) != str(self._error):
            _log.info("no connection to %s: %s", self.address.url, reason_of(error))
        self._error = error

    async def _open(self) -> Session:
        session = Session(self._packet, self._batch, self._writable)
        try:
            await asyncio.wait_for(session.open(self.address, self._headers, self._tls), 10)
            assert session.handshake
            self.max_payload = session.handshake.max_payload
            self._session = session
            session.ended.add_done_callback(lambda _: self._lost(session))
            await self._join_namespace(session)
            if self.prepare:
                await self.prepare()
        except UpgradeRefused as error:
            raise refusal(error, self.address) from error
        except BaseException:
            session.abort("not connected")
            raise
        if session.ended.done():
            raise Disconnected(session.ended.result())
        return session

    async def _join_namespace(self, session: Session) -> None:
        self._joined = asyncio.get_running_loop().create_future()
        session.send(encode_connect(self._auth or None))
        await asyncio.wait(either(self._joined, session.ended), timeout=10, return_when=asyncio.FIRST_COMPLETED)
        if self._joined.done():
            self._joined.result()
        elif session.ended.done():
            raise Disconnected(session.ended.result())
        else:
            raise asyncio.TimeoutError("the server did not answer CONNECT")

    def _lost(self, session: Session) -> None:
        if self._session is not session:
            return
        self._session = self.id = None
        acks, self._acks = self._acks, {}
        for answer in acks.values():
            answer(Disconnected(f"the connection was lost: {session.ended.result()}"))
        self.on_lost()

    async def disconnect(self) -> None:
        """Leave, and connect no more."""
        task, session = self._task, self._session
        self._set_state("closed")
        if session and not session.ended.done():
            session.send(encode_disconnect())
            session.close()
            await asyncio.wait({session.ended}, timeout=2)
            session.abort("closed by the client")
        if task and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait({task})
        self._lane.close()

    # --- the state

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self.state == "connected"

    def on_state(self, function: F) -> F:
        """Have a function called with the new state whenever it changes."""
        self._state_handlers.add(Handler(function))
        return function

    def off_state(self, function: Callable[..., Any]) -> None:
        """Undo `on_state`."""
        self._state_handlers.remove(None, function)

    def _set_state(self, state: str) -> None:
        if state == self.state or self.state == "closed":
            return
        self.state = state
        for waiter in self._changed:
            if not waiter.done():
                waiter.set_result(None)
        self._changed.clear()
        self._enqueue(Call(handler, (state,)) for handler in self._state_handlers.matching("state"))

    async def ready(self, timeout: float) -> None:
        """Wait until there is a connection.

        Raises
        ------
        Disconnected
            If there is none within ``timeout`` seconds, or the client was closed.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while self.state != "connected":
            remaining = deadline - loop.time()
            if self.state == "closed" or remaining <= 0:
                raise Disconnected(f"{self._offline()}: {reason_of(self._error)}" if self._error else self._offline())
            waiter: asyncio.Future[None] = loop.create_future()
            self._changed.add(waiter)
            await asyncio.wait({waiter}, timeout=remaining)

    def _offline(self) -> str:
        return "the client was closed" if self.state == "closed" else f"no connection to {self.address.url}"

    # --- sending

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event, without waiting for anything.

        Raises
        ------
        Disconnected
            If there is no connection: a plain event is not kept.
        NotJSON, ValueError
            If an argument or the name cannot be sent.
        """
        self._send(encode_event([event, *args]))

    async def emit_with_ack(self, event: str, *args: Any, timeout: float = 10.0) -> Any:
        """Emit an event and return what the server answers: None, one value, or a list of several.

        Raises
        ------
        AckTimeout
            If no answer comes within ``timeout`` seconds.
        Disconnected, NotJSON, ValueError
        """
        encoded = encode_event([event, *args])
        json = encoded.text[2:] if not encoded.attachments else encoded.text.partition(b"-")[2]
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.request(json, encoded.attachments, lambda answer: _settle(future, answer))
        try:
            answer = await asyncio.wait_for(future, timeout)
        except asyncio.TimeoutError:
            raise AckTimeout(f"no answer to {event!r} within {timeout:g} s") from None
        return answer[0] if len(answer) == 1 else answer or None

    def request(self, json: bytes, attachments: Sequence[bytes], answer: Callable[[Any], None]) -> None:
        """Send an event that is encoded but for its header; ``answer`` gets the ack's list, or `Disconnected`."""
        id, self._next_id = self._next_id, self._next_id + 1
        self._send(Encoded(header(EVENT, id=id, attachments=len(attachments)) + json, attachments))
        self._acks[id] = answer

    def _send(self, packet: Encoded) -> None:
        if self._session is None or self.id is None:  # before CONNECT is answered a server takes nothing else
            raise Disconnected(self._offline())
        self._session.send(packet)

    @property
    def can_write(self) -> bool:
        """Whether the transport takes more now."""
        return self._session is not None and self._session.can_write

    @property
    def fileno(self) -> int | None:
        """The descriptor of the connection, if there is one."""
        return self._session.fileno if self._session else None

    # --- receiving

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F) -> F: ...
    def on(self, event: str, function: F | None = None) -> F | Callable[[F], F]:
        """Have a function called with the arguments of an event; what it returns answers the server's ack."""
        if function is None:
            return lambda function: self.on(event, function)
        self._handlers.add(Handler(function, event))
        return function

    def off(self, event: str | None = None, function: Callable[..., Any] | None = None) -> None:
        """Undo `on`: for one event and function, for all functions of an event, or for all."""
        self._handlers.remove(event, function)

    def _packet(self, packet: Packet, size: int) -> None:
        kind = packet.type
        if kind is EVENT:
            if (self.route and self.route(packet.data, size)) and not self._handlers:
                return
            self._plain(packet)
        elif kind is ACK:
            answer = self._acks.pop(packet.id, None) if packet.id is not None else None
            if answer:
                answer(packet.data)
        else:
            self._control(packet)

    def _plain(self, packet: Packet) -> None:
        name, *args = packet.data
        handlers = self._handlers.matching(name) if type(name) is str else ()
        if handlers:
            reply = None if packet.id is None else self._replier(packet.id)
            self._enqueue(Call(handler, tuple(args), reply) for handler in handlers[:1])
            self._enqueue(Call(handler, tuple(args)) for handler in handlers[1:])

    def _replier(self, id: int) -> Callable[[Any], None]:
        session, loop = self._session, asyncio.get_running_loop()

        def reply(result: Any) -> None:
            args = result if type(result) is tuple else () if result is None else (result,)
            packet = encode_ack(id, args)
            if session:
                loop.call_soon_threadsafe(lambda: None if session.ended.done() else session.send(packet))

        return reply

    def _control(self, packet: Packet) -> None:
        joined = self._joined
        if packet.type is DISCONNECT and self._session:
            self._session.close("disconnected by the server")
        if joined is None or joined.done():
            return
        if packet.type is CONNECT:
            self.id = str((packet.data or {}).get("sid", ""))
            joined.set_result(None)
        elif packet.type is CONNECT_ERROR:
            joined.set_exception(connect_error(packet.data, self.address))

    def _batch(self) -> None:
        self.on_batch()

    def _writable(self) -> None:
        self.on_writable()

    # --- handlers

    def _enqueue(self, calls: Iterator[Call]) -> None:
        self._calls.extend(calls)
        while len(self._calls) > _MAX_CALLS:
            self._calls.popleft()
            _log.warning("a plain Socket.IO event was dropped: %d others wait for their handlers", _MAX_CALLS)
        if self._calls:
            self._lane.wake()

    def _take_calls(self) -> Iterator[Call]:
        while self._calls:
            yield self._calls.popleft()


def _nothing() -> None:
    pass


def _settle(future: asyncio.Future[Any], answer: Any) -> None:
    if future.done():
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
