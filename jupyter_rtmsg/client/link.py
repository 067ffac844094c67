"""The link of a socket to its namespace: the state of the connection, through one session after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_rtmsg.errors import ConnectionRefused, Disconnected, PacketRefused, ServerUnreachable
from jupyter_rtmsg.futures import Waiters
from jupyter_rtmsg.wire.data import prune
from jupyter_rtmsg.wire.socketio import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, EncodedPacket, Packet, header

from .acks import Acks
from .connect_errors import reason_of, refused
from .connect_handshake import Auth, ConnectHandshake, Layer
from .listeners import Listeners
from .manager import TRANSIENT, Manager
from .receiving import Delivery
from .recovery import RecoveryClaim
from .sending import PacketSender
from .session import ClientSession, reason_for

logger = logging.getLogger(__name__)


class ConnectionState:
    """``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``. Any thread may read ``value``."""

    def __init__(self) -> None:
        self.value = "connecting"
        self._waiters = Waiters()

    def set(self, value: str) -> bool:
        """Change the state; return False if it is the same one."""
        if value == self.value:
            return False
        self.value = value
        self._waiters.wake()
        return True

    async def connected(self, timeout: float | None = None) -> bool:
        """Wait for a connection; return False when the socket is closed, or after ``timeout`` seconds."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while self.value != "connected":
            remaining = None if deadline is None else deadline - loop.time()
            if self.value == "closed" or (remaining is not None and remaining <= 0):
                return False
            await self._waiters.wait(remaining)
        return True


class Link:
    """Connects a socket to its namespace. The manager calls it when sessions begin, end, and bring packets.

    The state goes from "connecting" to "connected", then between "connected" and "offline" with each loss and
    reconnect, and to "closed" with `disconnect` or a refusal. ``session`` is the manager's session while there is one;
    ``id`` is set once the server has answered CONNECT on it. With a layer, "connected" comes after its preparation, and
    a refusal or DISCONNECT only ends the session. ``_first`` is the result of `connect` while that waits.

    The link owns the state, the acks, the sender, the delivery and the CONNECT handshake; the socket owns the link, and
    the listeners.

    Parameters
    ----------
    io : Manager
    namespace : str
    auth : dict, callable or None
        Sent with CONNECT.
    listeners : Listeners
    layer : Layer or None
        Gets events before the listeners do.
    retries : int
    ack_timeout : float
        See `PacketSender`.

    Attributes
    ----------
    state : ConnectionState
    acks : Acks
    sender : PacketSender
    id : str or None
        The server's id of the socket.
    recovered : bool
        Whether the server recovered the lost connection.
    active : bool
        Whether it is connected, or connects by itself as soon as it can.
    session : ClientSession or None
    """

    def __init__(
        self,
        io: Manager,
        namespace: str,
        auth: Auth,
        listeners: Listeners,
        layer: Layer | None,
        *,
        retries: int,
        ack_timeout: float,
    ) -> None:
        self.namespace = namespace
        self.state = ConnectionState()
        self.acks = Acks()
        self.id: str | None = None
        self.recovered = False
        self.active = False
        self.session: ClientSession | None = None
        self._io = io
        self._listeners = listeners
        self._layer = layer
        self._first: asyncio.Future[None] | None = None
        self.sender = PacketSender(
            namespace,
            io.codec,
            self.acks,
            retries=retries,
            ack_timeout=ack_timeout,
            wait_connected=self.state.connected,
            on_outgoing=lambda args: listeners.notify(listeners.any_outgoing, args),
            check_loop=io.check_loop,
        )
        self._recovery = RecoveryClaim(offsets=layer is not None)  # a hub's frames have offsets, for its other clients
        self._delivery = Delivery(namespace, io.codec, listeners, self._recovery)
        self._handshake = ConnectHandshake(
            io.codec, namespace, auth, self._recovery, layer, failed=self._refuse, unanswered=self._unanswered
        )

    def _set_state(self, state: str) -> None:
        if self.state.set(state):
            self._listeners.fire_state(state)
            if self._layer:
                self._layer.state_changed(state)

    @property
    def _is_connected(self) -> bool:
        return self.state.value == "connected"

    # --- connecting

    async def connect(self, timeout: float = 10.0) -> None:
        """Connect; see `SocketClient.connect`."""
        self._io.check_loop()
        if self._is_connected:
            return
        if self._layer:
            self._layer.begin()
        first = self._first = self._first or asyncio.get_running_loop().create_future()
        begins = not self.active
        if begins:
            self.active = True
            self._set_state("connecting")
            self._io.add(self)
        try:
            await asyncio.wait_for(asyncio.shield(first), timeout)  # several callers may wait for one connection
        except BaseException as error:
            silent = self._silent(timeout)  # before `disconnect` forgets the session
            if begins:  # otherwise the socket goes on connecting, as it did before this call
                await self.disconnect(0)
            if isinstance(error, asyncio.TimeoutError) and not first.done():
                raise silent from None
            raise
        finally:
            if begins or first.done():
                self._first = None

    def _silent(self, timeout: float) -> ServerUnreachable:
        if self.session is None:
            return self._unreachable(f"did not answer within {timeout:g} s")
        return self._handshake.silence(self._io.address.url, timeout)

    def _unreachable(self, failure: str) -> ServerUnreachable:
        return ServerUnreachable(f"{self._io.address.url} {failure}: {reason_of(self._io.error)}{self._io.hint}")

    def _joined(self, data: Any) -> None:
        """Take the server's answer to CONNECT."""
        assert self.session
        fields = data if isinstance(data, dict) else {}
        self.recovered = self._recovery.connected(fields.get("pid"))
        # Events may follow in the same read. They wait in the delivery until the layer has prepared.
        self.id = str(fields.get("sid", ""))
        self._delivery.open(self.session)
        self._handshake.accept(self.session, self._open)

    def _open(self) -> None:
        """Become connected: deliver the events that came early, and send those that have waited."""
        assert self.session
        # In the order of socket.io-client: missed events, then events that waited, then the handlers of "connect".
        self._set_state("connected")
        self._io.accepted()
        self._delivery.flush()
        self.sender.open(self.session)
        self._listeners.fire("connect")
        if self._first and not self._first.done():
            self._first.set_result(None)

    def _refuse(self, error: Exception) -> None:
        """Take a refusal: leave, since another attempt would be refused, too; with a layer, try again."""
        self._handshake.answered()
        if self._layer is None:
            self._inactive()
            self.failed(error, transient=False)
        elif self.session:
            self._io.remember(error)
            # A found token may have been renewed, for example by a restart of the server: the next attempt sends that.
            transient = isinstance(error, TRANSIENT) or self._layer.is_transient(error) or self._io.renew(error)
            self.failed(error, transient=transient)
            self.session.abort(f"not connected: {error}")

    def _unanswered(self, session: ClientSession) -> None:
        self._io.remember(asyncio.TimeoutError("the server did not answer CONNECT"))
        session.abort("the server did not answer CONNECT")

    def _fail_first(self, error: Exception) -> None:
        if self._first and not self._first.done():
            self._first.set_exception(error)

    # --- disconnecting

    def _session_over(self, reason: str, error: str, state: str = "closed") -> None:
        # The session is forgotten before any handler runs: an `emit` in "disconnect" must wait for the next one.
        was_admitted, self.id, self.session = self.id is not None, None, None
        self._delivery.close()
        self.sender.close()
        self._handshake.stop()
        if self._is_connected:
            self._set_state(state)
            self._listeners.fire("disconnect", reason)
        if was_admitted:  # an event that is still in the buffer will be sent, and may be acknowledged then
            self.acks.fail_all(Disconnected(error), kept=self.sender.holds)

    def _inactive(self) -> None:
        self.active = False
        self.session = None
        self._set_state("closed")
        self._delivery.close()
        self._io.remove(self)  # last, since the manager ends the connection with its last link

    def _disconnected(self) -> None:
        """Take the server's DISCONNECT: leave; with a layer, end the session and connect again."""
        if self._layer is None:
            self._session_over("io server disconnect", "the server disconnected this socket")
            self._inactive()
        elif self.session:  # the manager connects again, since the link stays active
            self.session.close("disconnected by the server")

    async def disconnect(self, timeout: float = 5.0) -> None:
        """Leave; see `SocketClient.disconnect`."""
        self._io.check_loop()
        session = self.session
        # Before CONNECT is answered there is no socket on the server that a DISCONNECT could end.
        if session and self.id is not None and not session.ended.done():
            session.send(self._io.codec.disconnect(self.namespace))
        self._session_over("io client disconnect", "the client was closed")
        self._inactive()
        self._listeners.drain()
        await self._io.ended(timeout)
        await self._listeners.drained(timeout)

    # --- requests of the layer

    async def ready(self, timeout: float) -> None:
        """Wait until there is a connection; see `SocketClient.ready`."""
        self._io.check_loop()
        if not await self.state.connected(timeout):
            error = self._io.error
            raise Disconnected(f"{self._offline()}: {reason_of(error)}" if error else self._offline())

    def _offline(self) -> str:
        return "the client was closed" if self.state.value == "closed" else f"no connection to {self._io.address.url}"

    def request(self, json: bytes, attachments: Sequence[bytes], answer: Callable[[Any], None]) -> int:
        """Send an event that is already encoded, but for its header.

        Parameters
        ----------
        json : bytes
            ``[name, *args]``.
        attachments : sequence of bytes
        answer : callable
            Called with the list of the ACK's arguments, or with `Disconnected`.

        Returns
        -------
        int
            The id of the ACK, for `forget`.

        Raises
        ------
        Disconnected
            If there is no connection.
        """
        self._io.check_loop()
        if self.session is None or self.id is None:  # a server takes nothing but CONNECT before it has answered that
            raise Disconnected(self._offline())
        id = self.acks.new_id()
        self.session.send(EncodedPacket(header(EVENT, id=id, attachments=len(attachments)) + json, attachments))
        self.acks.expect(id, answer)  # the answer cannot come before the next read
        return id

    # --- called by the manager

    def opened(self, session: ClientSession) -> None:
        """Take a new session, and send CONNECT over it."""
        self.session = session
        self._handshake.ask(session)

    def lost(self, account: str) -> None:
        """Learn that the session has ended."""
        if self._layer is None and self.id is None and self.session is not None:
            self._cut_short(account)  # a hub speaks the default parser, so a layer just tries again
        self._session_over(reason_for(account), f"the connection was lost: {account}", "offline")
        if self._layer:
            self._layer.lost()

    def _cut_short(self, account: str) -> None:
        error = self._handshake.cut_short(self._io.address.url, account)
        if error:
            if self._first is None:
                logger.warning("%s", error)
            self._fail_first(error)

    def failed(self, error: Exception, *, transient: bool) -> None:
        """Learn that an attempt to connect has failed, and whether another one may succeed."""
        self._listeners.fire("connect_error", error)
        if not transient:  # otherwise `connect` waits on, until its timeout, for another attempt
            self._fail_first(error)

    def given_up(self) -> None:
        """Learn that no further attempt will be made."""
        self._inactive()
        self._fail_first(self._unreachable("was not reached"))

    def packet(self, packet: Packet, size: int) -> None:
        """Take a packet of ``size`` bytes. An event goes to the layer first."""
        kind = packet.type
        if kind is EVENT:  # first, since this runs for every event of every room
            taken = self._layer is not None and self._layer.event(packet.data, size)
            if not taken or self._listeners.named.all or self._listeners.any.all:
                self._delivery.receive(packet)
        elif kind is ACK:
            self.acks.take(packet)
        else:
            self._control(packet)

    def _control(self, packet: Packet) -> None:
        if packet.type is DISCONNECT:
            self._disconnected()
        elif self.id is not None or self.session is None:
            return  # an answer to CONNECT that comes twice, or unasked
        elif packet.type is CONNECT:
            self._joined(packet.data)
        elif packet.type is CONNECT_ERROR:
            self._refuse(self._refusal(packet.data))

    def _refusal(self, data: Any) -> Exception:
        if self._layer:
            return self._layer.refusal(data, self._io.address)
        return ConnectionRefused(*refused(data))

    def refused(self, error: PacketRefused) -> None:
        """Take a packet whose data cannot be decoded."""
        if error.type == EVENT:
            if self._layer and error.payload:
                self._layer.unreadable(prune(error.payload))
            logger.warning("an event in namespace %s was skipped: %s", self.namespace, error)
        elif error.type == ACK:
            self.acks.take(Packet(ACK, error.namespace, error, error.id))
        elif error.type == CONNECT_ERROR:
            self._control(Packet(CONNECT_ERROR, error.namespace, f"refused, with words that cannot be read: {error}"))
        else:
            raise error  # a CONNECT without its sid: the session cannot be used
