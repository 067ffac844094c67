"""The Socket.IO side of a session: its packets, and its sockets by namespace (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_rtmsg.logthrottle import throttled_logger

from ..errors import ConnectionRefused, PacketRefused, ProtocolError, QueueFull
from ..wire.parser import answer_to_other_parser
from ..wire.socketio import (
    ACK,
    CONNECT,
    EVENT,
    Encoded,
    Packet,
)
from .session import CLOSE_POLICY
from .socket import Socket
from .waiting import Waiting

if TYPE_CHECKING:
    from .namespace import Middleware, Namespace
    from .recovery import Recovery
    from .server import Server
    from .session import Session

logger = throttled_logger(__name__)

_REASONS = {"server shutting down": "server shutting down", "forced close": "forced server close"}
FRAMED = 1_024  # characters of a message that is looked at before it is parsed
_CONNECT = "40"
_MAX_REFUSALS = 32  # CONNECTs of a session that nobody has let in
_MAX_CONNECTING = 100  # namespaces that one client may wait for: functions and middlewares look at each in a task


class Connection:
    """Packets of one session, handed to its sockets.

    Parameters
    ----------
    server : Server
    session : Session

    Attributes
    ----------
    sockets : dict
        By namespace.
    busy : int
        How many of the sockets run a handler that others wait for.
    waiting : Waiting
        The events that wait.
    """

    __slots__ = (
        "_connecting",
        "_decoder",
        "_gone",
        "_held",
        "_left",
        "_refusals",
        "_server",
        "busy",
        "session",
        "sockets",
        "waiting",
    )

    def __init__(self, server: Server, session: Session) -> None:
        self._server = server
        self.session = session
        self.sockets: dict[str, Socket] = {}
        self._decoder = server.parser.decoder(max_size=server.engine.max_payload, on_mended=partial(_mended, session))
        self._connecting: set[str] = set()  # functions and middlewares are looking at them
        self._left: set[str] = set()  # what still comes for these was sent before the peer could know
        self._gone: list[Socket] = []  # sockets of a session that has ended
        self._held = 0  # bytes of a packet whose attachments are still to come
        self._refusals = 0
        self.busy = 0
        self.waiting = Waiting(self)
        session.on_packet = self.receive
        session.on("close", self._closed)

    def receive(self, message: str | bytes) -> None:
        """Take an Engine.IO message."""
        try:
            if self.busy or len(message) > FRAMED or message[:2] == _CONNECT:
                packet = self._receive_framed(message)
            else:
                packet = self._decoder.feed(message)
            if packet is None or self._held:
                self._hold_partial()
            if packet is None:
                return
            kind, namespace, data, id = packet
            if kind is EVENT or kind is ACK:
                socket = self.sockets.get(namespace)
                if socket is None:
                    self._stray(namespace)
                elif kind is EVENT:
                    socket.receive(data, id)
                else:
                    socket.acknowledged(id, data)
            elif kind is CONNECT:
                self._connect(packet)
            else:
                self._disconnect(namespace)
        except PacketRefused as error:
            self._refused(error)
        except ProtocolError as error:
            self._violated(error, message)

    def _receive_framed(self, message: str | bytes) -> Packet | None:
        """Look at a packet before it is parsed: an event may wait, or be parsed otherwise, a CONNECT be refused."""
        undecoded = self._decoder.frame(message)
        if undecoded is None:
            return None
        socket = self.sockets.get(undecoded.namespace)
        if undecoded.type is EVENT and socket is not None:
            if socket.wait(undecoded):
                return None
            if undecoded.size > socket.namespace.large:
                return socket.namespace.decode(undecoded)
        elif undecoded.type is CONNECT and not self._server.namespaces.may_have(undecoded.namespace):
            self._refuse_name(undecoded.namespace)
            return None
        return undecoded.decode()

    def _hold_partial(self) -> None:
        """Collect attachments for a connected namespace only (CVE-2026-48804), and count them."""
        partial = self._decoder.partial
        if partial and partial.namespace not in self.sockets:
            self._stray(partial.namespace)
        size = partial.size if partial else 0
        self.session.hold(size - self._held)
        self._held = size

    def fail_acks(self, why: str) -> None:
        """Wait no longer for the acknowledgements that this client owes."""
        for socket in list(self.sockets.values()):
            socket.fail_acks(QueueFull(why))

    def disconnect(self) -> None:
        """Disconnect the peer from all its namespaces, so that it stays away, and close the session."""
        for socket in list(self.sockets.values()):
            socket.disconnect()
        self.session.close("forced close")

    def _refused(self, error: PacketRefused) -> None:
        """Refuse a packet alone whose data cannot be taken."""
        self._hold_partial()  # its attachments are gone
        socket = self.sockets.get(error.namespace)
        logger.info("session of %s: a packet was refused: %s", self.session.request.address, error)
        if socket is not None and error.type == EVENT:
            socket.answer(error.id, error.answer)
        elif socket is not None and error.type == ACK:
            socket.acknowledged(error.id, error)
        elif socket is None and error.type == CONNECT:
            self._answer_refused(self._server.parser.connect_error(str(error), namespace=error.namespace))
        elif error.namespace not in self._left:
            self.session.violated(error, late=True)  # a GET that comes later is told of the end, as Node does

    def _violated(self, error: ProtocolError, message: str | bytes) -> None:
        """End the session, unless a client is to be told that it speaks another parser, so that it stays away."""
        answer = None if self.sockets else answer_to_other_parser(message, self._server.parser)
        if answer is None:
            self.session.violated(error, late=True)  # a GET that comes later is told of the end, as Node does
        else:
            logger.info("session of %s speaks another parser: %s", self.session.request.address, error)
            self.session.put(answer)

    def leave(self, namespace: str) -> None:
        """The server disconnected the peer from a namespace, which may not know it yet."""
        self.sockets.pop(namespace, None)
        self._left.add(namespace)

    def _stray(self, namespace: str) -> None:
        if namespace not in self._left:
            raise ProtocolError(f"a packet for namespace {namespace!r:.80}, which is not connected")

    def _disconnect(self, name: str) -> None:
        socket = self.sockets.pop(name, None)
        if socket is None:
            self._stray(name)
            return
        self._left.add(name)
        asyncio.get_running_loop().call_soon(self._left.discard, name)
        socket.closed("client namespace disconnect")

    # --- CONNECT (docs/protocol.md#socketio-namespaces)

    def _connect(self, packet: Packet) -> None:
        name = packet.namespace
        if name in self.sockets or name in self._connecting:
            raise ProtocolError(f"namespace {name!r:.80} is connected already")
        if len(self._connecting) >= _MAX_CONNECTING:
            raise ProtocolError(f"more than {_MAX_CONNECTING} namespaces wait for their answer at once")
        namespaces, auth = self._server.namespaces, packet.data or {}
        namespace = namespaces.find(name)
        if namespace is None and namespaces.parents:
            self._connecting.add(name)
            namespaces.root.spawn(self._ask(name, auth))
        else:
            self._enter(name, namespace, auth)

    async def _ask(self, name: str, auth: dict[str, Any]) -> None:
        """Ask patterns and functions for a namespace."""
        namespace = await self._server.namespaces.ask(name, auth)
        if name in self._connecting:  # else the session was closed meanwhile
            self._connecting.discard(name)
            self._enter(name, namespace, auth)

    def _refuse_name(self, name: str) -> None:
        self._answer_refused(self._server.parser.connect_error("Invalid namespace", namespace=name))

    def _answer_refused(self, answer: Encoded) -> None:
        """Answer a CONNECT that is refused; a stranger may try only so often in one session."""
        self.session.put(answer)
        self._refusals += 1
        if self._refusals >= _MAX_REFUSALS and self.session.pending:
            self.session.close(f"{self._refusals} CONNECTs were refused", CLOSE_POLICY)

    def _enter(self, name: str, namespace: Namespace | None, auth: dict[str, Any]) -> None:
        if namespace is None:
            self._refuse_name(name)
            return
        self._connecting.add(name)
        self._admit(Socket(namespace, self, auth), iter(namespace.middlewares))

    def _admit(self, socket: Socket, middlewares: Iterable[Middleware]) -> None:
        """Ask the middlewares in order; where one has to be awaited, go on in a task."""
        try:
            for middleware in middlewares:
                result = middleware(socket)
                if inspect.isawaitable(result):
                    socket.namespace.spawn(self._admit_later(socket, result, middlewares))
                    return
        except Exception as error:
            self._refuse(socket, error)
        else:
            self._accept(socket)

    async def _admit_later(self, socket: Socket, result: Any, middlewares: Iterable[Middleware]) -> None:
        try:
            await result
        except Exception as error:
            self._refuse(socket, error)
        else:
            self._admit(socket, middlewares)

    def _refuse(self, socket: Socket, error: Exception) -> None:
        name = socket.namespace.name
        self._connecting.discard(name)
        try:
            if not isinstance(error, ConnectionRefused):
                raise error
            answer = self._server.parser.connect_error(error.message, error.data, name)
        except Exception as fault:
            socket.namespace.failed(f"a middleware of namespace {name}", fault)
            answer = self._server.parser.connect_error("internal error", namespace=name)
        self._answer_refused(answer)

    def _accept(self, socket: Socket) -> None:
        pid, recovery = socket.auth.get("pid"), socket.namespace.recovery
        if recovery and isinstance(pid, str):
            socket.namespace.spawn(self._recover(socket, recovery, pid))
        else:
            self._welcome(socket)

    async def _recover(self, socket: Socket, recovery: Recovery, pid: str) -> None:
        offset = socket.auth.get("offset")
        try:
            socket.recovered = await recovery.recover(socket, pid, offset if isinstance(offset, str) else None)
        except Exception as error:
            socket.namespace.failed("connection state recovery", error)
        self._welcome(socket)
        if socket.recovered and not socket.connected:  # it was gone before it was back
            recovery.ended(socket, "transport close")

    def _welcome(self, socket: Socket) -> None:
        name = socket.namespace.name
        if name not in self._connecting or self.session.closed:
            return
        self._connecting.discard(name)
        self._left.discard(name)
        self.sockets[name] = socket
        if socket.user is not None:
            self.session.belongs_to(str(socket.user))
        self.session.admit()
        answer = {"sid": socket.id}
        if socket.namespace.recovery and not socket.recovered:
            socket.pid = socket.namespace.recovery.issue(socket)
        if socket.pid is not None:
            answer["pid"] = socket.pid
        self.session.put(self._server.parser.connect(answer, name))
        socket.namespace.connected(socket)

    def _closed(self, reason: str) -> None:
        self._connecting.clear()
        self.session.hold(-self._held)
        self._held = 0
        self.session.on_cut_off = self._drop_waiting
        self._gone = list(self.sockets.values())
        self.sockets = {}
        for socket in self._gone:
            socket.closed(_REASONS.get(reason, reason))

    def _drop_waiting(self) -> None:
        """Handle no more of what a client sent that has left: it holds too much."""
        for socket in self._gone:
            socket.drop_waiting()


def _mended(session: Session, count: int) -> None:
    """Count packets with half an emoji, and log the first: its application cuts texts in the midst of characters."""
    session.engine.mended += 1
    if count == 1:
        logger.info(
            "session of %s: a text holds half of a surrogate pair, such as half an emoji; U+FFFD stands in its place",
            session.request.address,
        )
