"""The Socket.IO packets of a session: CONNECT, and the packets of its sockets by namespace (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from functools import partial
from typing import Any

from jupyter_rtmsg.errors import ConnectionRefused, PacketRefused, ProtocolError, QueueFull
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.parser import Codec, answer_to_other_parser
from jupyter_rtmsg.wire.socketio import ACK, CONNECT, EVENT, Encoded, Packet

from .dispatch import Dispatcher
from .flow_control import FlowControl
from .namespace import Middleware, Namespace
from .namespaces import Namespaces
from .recovery import Recovery
from .session import CLOSE_POLICY, Session
from .socket import Socket

logger = throttled_logger(__name__)

_REASONS = {"server shutting down": "server shutting down", "forced close": "forced server close"}
FRAMED = 1_024  # characters; of a longer message the header is parsed first
_CONNECT = "40"
MAX_REFUSALS = 32  # rejected CONNECTs of a session that is not admitted
MAX_CONNECTING = 100  # CONNECTs of one session that may wait for functions and middlewares, each in a task


class PacketStream:
    """Decodes the packets of one session and passes them to its sockets.

    A namespace is in at most one of these states for the session: *connecting* (in ``_connecting``: functions and
    middlewares are asked), *connected* (in ``_dispatchers``), *left* (in ``_left``: the server has disconnected the
    socket, and packets that the client sent before it knew are ignored). Packets for other namespaces break the
    protocol.

    Parameters
    ----------
    namespaces : Namespaces
        Of the server.
    parser : Codec
        Of the server.
    session : Session

    Attributes
    ----------
    session : Session
    flow : FlowControl
        The events of the session that wait for handlers.
    """

    __slots__ = (
        "_connecting", "_decoder", "_dispatchers", "_gone", "_held", "_left", "_namespaces", "_parser", "_refusals",
        "flow", "session",
    )  # fmt: skip

    def __init__(self, namespaces: Namespaces, parser: Codec, session: Session) -> None:
        self._namespaces = namespaces
        self._parser = parser
        self.session = session
        self._dispatchers: dict[str, Dispatcher] = {}  # by namespace
        self._decoder = parser.decoder(max_size=session.engine.max_payload, on_mended=partial(_mended, session))
        self._connecting: set[str] = set()
        self._left: set[str] = set()
        self._gone: list[Dispatcher] = []  # of a session that has ended
        self._held = 0  # bytes of a packet whose attachments have not arrived yet
        self._refusals = 0
        self.flow = FlowControl(session, self._fail_acks)
        session.attach(on_packet=self.receive, on_cut_off=self._drop_waiting)
        session.on("close", self._closed)

    def receive(self, message: str | bytes) -> None:
        """Handle an Engine.IO message."""
        try:
            if self.flow.running or len(message) > FRAMED or message[:2] == _CONNECT:
                packet = self._receive_framed(message)
            else:
                packet = self._decoder.feed(message)
            if packet is None or self._held:  # attachments are awaited, or were until now
                self._hold_partial()
            if packet is None:
                return
            kind, namespace, data, id = packet
            if kind is EVENT or kind is ACK:
                dispatcher = self._dispatchers.get(namespace)
                if dispatcher is None:
                    self._stray(namespace)
                elif kind is EVENT:
                    dispatcher.receive(data, id)
                else:
                    dispatcher.socket.acks.take(id, data)
            elif kind is CONNECT:
                self._connect(packet)
            else:
                self._disconnect(namespace)
        except PacketRefused as error:
            self._refused(error)
        except ProtocolError as error:
            self._violated(error, message)

    def _receive_framed(self, message: str | bytes) -> Packet | None:
        """Parse the header only: an event may have to wait or to be decoded elsewhere, a CONNECT may be refused."""
        undecoded = self._decoder.frame(message)
        if undecoded is None:
            return None
        dispatcher = self._dispatchers.get(undecoded.namespace)
        if undecoded.type is EVENT and dispatcher is not None:
            if dispatcher.wait(undecoded):
                return None
            if undecoded.size > dispatcher.namespace.large:
                return dispatcher.namespace.decode(undecoded)
        elif undecoded.type is CONNECT and not self._namespaces.may_have(undecoded.namespace):
            self._refuse_name(undecoded.namespace)
            return None
        return undecoded.decode()

    def _hold_partial(self) -> None:
        """Collect attachments for a connected namespace only (CVE-2026-48804), and charge the session for them."""
        partial = self._decoder.partial
        if partial and partial.namespace not in self._dispatchers:
            self._stray(partial.namespace)
        size = partial.size if partial else 0
        self.session.hold(size - self._held)
        self._held = size

    def _refused(self, error: PacketRefused) -> None:
        """Refuse a single packet because of its data. The session goes on."""
        self._hold_partial()  # its attachments were dropped
        dispatcher = self._dispatchers.get(error.namespace)
        logger.info("session of %s: a packet was refused: %s", self.session.request.address, error)
        if dispatcher is not None and error.type == EVENT:
            dispatcher.socket.answer(error.id, error.answer)
        elif dispatcher is not None and error.type == ACK:
            dispatcher.socket.acks.take(error.id, error)
        elif dispatcher is None and error.type == CONNECT:
            self._answer_refused(self._parser.connect_error(str(error), namespace=error.namespace))
        elif error.namespace not in self._left:
            self.session.violated(error, late=True)  # a later GET is answered, as by Node's server

    def _violated(self, error: ProtocolError, message: str | bytes) -> None:
        """End the session. A client of another parser gets an explanation instead, so that it does not reconnect."""
        answer = None if self._dispatchers else answer_to_other_parser(message, self._parser)
        if answer is None:
            self.session.violated(error, late=True)  # a later GET is answered, as by Node's server
        else:
            logger.info("session of %s uses another parser: %s", self.session.request.address, error)
            self.session.put(answer)

    def _stray(self, namespace: str) -> None:
        """Raise `ProtocolError` for a packet of a namespace that is not connected, unless the server has left it."""
        if namespace not in self._left:
            raise ProtocolError(f"a packet for namespace {namespace!r:.80}, which is not connected")

    # --- for the sockets: `SocketStream`

    def leave(self, namespace: str) -> None:
        """Disconnect the socket of a namespace. Its client may not know yet, and send more packets."""
        dispatcher = self._dispatchers.pop(namespace, None)
        self._left.add(namespace)
        if dispatcher is not None:
            dispatcher.closed("server namespace disconnect")

    def disconnect(self) -> None:
        """Disconnect the client from all namespaces, so that it does not reconnect, and close the session."""
        for dispatcher in list(self._dispatchers.values()):
            dispatcher.socket.disconnect()
        self.session.close("forced close")

    def _fail_acks(self, why: str) -> None:
        for dispatcher in list(self._dispatchers.values()):
            dispatcher.socket.acks.fail(QueueFull(why))

    # --- the end

    def _disconnect(self, name: str) -> None:
        """Handle a DISCONNECT."""
        dispatcher = self._dispatchers.pop(name, None)
        if dispatcher is None:
            self._stray(name)
            return
        self._left.add(name)  # until the packets that were read together with this one are handled
        asyncio.get_running_loop().call_soon(self._left.discard, name)
        dispatcher.closed("client namespace disconnect")

    def _closed(self, reason: str) -> None:
        """Disconnect all sockets: the session has ended."""
        self._connecting.clear()
        self.session.hold(-self._held)
        self._held = 0
        self._gone = list(self._dispatchers.values())
        self._dispatchers = {}
        for dispatcher in self._gone:
            dispatcher.closed(_REASONS.get(reason, reason))

    def _drop_waiting(self) -> None:
        """Drop the events of a session that has ended: they hold too many bytes."""
        for dispatcher in self._gone:
            dispatcher.drop_waiting()

    # --- CONNECT (docs/protocol.md#socketio-namespaces)

    def _connect(self, packet: Packet) -> None:
        name = packet.namespace
        if name in self._dispatchers or name in self._connecting:
            raise ProtocolError(f"namespace {name!r:.80} is connected already")
        if len(self._connecting) >= MAX_CONNECTING:
            raise ProtocolError(f"more than {MAX_CONNECTING} namespaces wait for their answer at once")
        namespaces, auth = self._namespaces, packet.data or {}
        namespace = namespaces.find(name)
        if namespace is None and namespaces.parents:
            self._connecting.add(name)
            namespaces.root.spawn(self._ask(name, auth))
        else:
            self._enter(name, namespace, auth)

    async def _ask(self, name: str, auth: dict[str, Any]) -> None:
        """Ask patterns and functions for a namespace."""
        namespace = await self._namespaces.ask(name, auth)
        if name in self._connecting:  # the session is still open
            self._connecting.discard(name)
            self._enter(name, namespace, auth)

    def _refuse_name(self, name: str) -> None:
        self._answer_refused(self._parser.connect_error("Invalid namespace", namespace=name))

    def _answer_refused(self, answer: Encoded) -> None:
        """Answer a CONNECT that is refused. A session that is not admitted has `MAX_REFUSALS` tries."""
        self.session.put(answer)
        self._refusals += 1
        if self._refusals >= MAX_REFUSALS and self.session.pending:
            self.session.close(f"{self._refusals} CONNECTs were refused", CLOSE_POLICY)

    def _enter(self, name: str, namespace: Namespace | None, auth: dict[str, Any]) -> None:
        if namespace is None:
            self._refuse_name(name)
            return
        self._connecting.add(name)  # a second CONNECT meanwhile breaks the protocol
        self._admit(Dispatcher(Socket(namespace, self, auth), namespace, self.flow), iter(namespace.middlewares))

    def _admit(self, dispatcher: Dispatcher, middlewares: Iterable[Middleware]) -> None:
        """Call the middlewares in order. The first that has to be awaited, and those behind it, run in a task."""
        try:
            for middleware in middlewares:
                result = middleware(dispatcher.socket)
                if inspect.isawaitable(result):
                    dispatcher.namespace.spawn(self._admit_later(dispatcher, result, middlewares))
                    return
        except Exception as error:
            self._refuse(dispatcher.namespace, error)
        else:
            self._accept(dispatcher)

    async def _admit_later(self, dispatcher: Dispatcher, result: Any, middlewares: Iterable[Middleware]) -> None:
        try:
            await result
        except Exception as error:
            self._refuse(dispatcher.namespace, error)
        else:
            self._admit(dispatcher, middlewares)

    def _refuse(self, namespace: Namespace, error: Exception) -> None:
        """Answer a CONNECT that a middleware refused. Other exceptions are logged; the client gets no details."""
        name = namespace.name
        self._connecting.discard(name)
        try:
            if not isinstance(error, ConnectionRefused):
                raise error
            answer = self._parser.connect_error(error.message, error.data, name)
        except Exception as failure:
            namespace.failed(f"a middleware of namespace {name}", failure)
            answer = self._parser.connect_error("internal error", namespace=name)
        self._answer_refused(answer)

    def _accept(self, dispatcher: Dispatcher) -> None:
        pid, recovery = dispatcher.socket.auth.get("pid"), dispatcher.namespace.recovery
        if recovery and isinstance(pid, str):
            dispatcher.namespace.spawn(self._recover(dispatcher, recovery, pid))
        else:
            self._welcome(dispatcher)

    async def _recover(self, dispatcher: Dispatcher, recovery: Recovery, pid: str) -> None:
        socket = dispatcher.socket
        offset = socket.auth.get("offset")
        try:
            recovered = await recovery.recover(socket, pid, offset if isinstance(offset, str) else None)
            socket.set_recovered(recovered)
        except Exception as error:
            dispatcher.namespace.failed("connection state recovery", error)
        self._welcome(dispatcher)
        if socket.recovered and not socket.connected:  # the session ended meanwhile
            recovery.ended(socket, "transport close")

    def _welcome(self, dispatcher: Dispatcher) -> None:
        """Answer a CONNECT that is accepted, and connect the socket."""
        socket, namespace = dispatcher.socket, dispatcher.namespace
        name = namespace.name
        if name not in self._connecting or self.session.closed:  # it ended while middlewares were awaited
            return
        self._connecting.discard(name)
        self._left.discard(name)
        self._dispatchers[name] = dispatcher
        if socket.user is not None:
            self.session.belongs_to(str(socket.user))
        self.session.admit()  # from now on messages of full size are accepted
        answer = {"sid": socket.id}
        if namespace.recovery and not socket.recovered:
            socket.set_pid(namespace.recovery.issue(socket))
        if socket.pid is not None:
            answer["pid"] = socket.pid
        self.session.put(self._parser.connect(answer, name))
        greeting = namespace.connected(socket)
        if greeting is not None:
            dispatcher.run(greeting, None, "a handler of 'connection'")


def _mended(session: Session, count: int) -> None:
    """Count packets with half of a surrogate pair; log the first of a session."""
    session.engine.count_mended()
    if count == 1:
        logger.info(
            "session of %s: a text holds half of a surrogate pair, such as half an emoji; U+FFFD stands in its place",
            session.request.address,
        )
