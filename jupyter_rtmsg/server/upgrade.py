"""A WebSocket that takes over a polling session (docs/protocol.md#engineio-upgrade)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..errors import ProtocolError, WebSocketError
from ..wire.engineio import CLOSE, PING, PONG, PROBE, UPGRADE, decode_payload
from ..wire.websocket import BINARY, TEXT, encode_frame
from .polling import PollingTransport

if TYPE_CHECKING:
    from .session import Session
    from .turns import Share
    from .websocket import WebSocketTransport


class Upgrade:
    """The candidate: plays the session towards its transport until the client says ``5``.

    Until then polling remains the live transport, and nothing but the answer to the probe goes over the WebSocket.
    The ``5`` may come without a probe (PHP's elephant.io), and while requests of the client are under way. So that no
    packet is lost or overtaken, the WebSocket is not read until these are through. If the session ends first, with
    packets that no GET has taken yet, they go with the ``5`` or with the next GET, whichever the client sends.

    Parameters
    ----------
    session : Session
    timeout : float
        Seconds that the client has.
    """

    __slots__ = ("_probed", "_session", "_timer", "_transport", "_waiting")

    def __init__(self, session: Session, timeout: float) -> None:
        self._session = session
        self._probed = False
        self._waiting = False  # for requests under way, since the 5
        self._transport: WebSocketTransport | None = None
        self._timer = asyncio.get_running_loop().call_later(timeout, self.cancel)
        session.upgrade = self

    @property
    def max_size(self) -> int:
        """The session's: what comes right behind the ``5`` is for it."""
        return self._session.max_size

    @property
    def share(self) -> Share:
        """The session's."""
        return self._session.share

    def admitted(self) -> None:
        """The session may send messages of full size from now on."""
        if self._transport:
            self._transport.set_max_size(self.max_size)

    def opened(self, transport: WebSocketTransport) -> None:
        """The WebSocket is open."""
        self._transport = transport
        if self._session.upgrade is not self:  # given up while the 101 was written: nobody else would ever close it
            transport.close(1000, "upgrade timeout")

    def receive(self, packet: str | bytes) -> None:
        """Answer the probe, then let the WebSocket take over."""
        if self._transport is None:
            return
        if self._session.closed:
            self._say_last(packet)
        elif packet == PING + PROBE and not self._probed:
            self._probed = True
            self._transport.send(encode_frame(TEXT, (PONG + PROBE).encode()))
            self._session.probing(True)
        elif packet == UPGRADE:
            self._take_over()
        else:
            self.violated(ProtocolError(f"a WebSocket that probes sends '2probe' and '5', not {packet!r:.20}"))

    def _take_over(self) -> None:
        """Replace polling, once its requests under way are through."""
        polling, transport = self._session.transport, self._transport
        if self._session.upgrade is not self or transport is None:
            return
        if self._session.closed:
            self._say_last(UPGRADE)
            return
        if isinstance(polling, PollingTransport) and polling.busy:
            if not self._waiting:
                self._waiting = True
                transport.pause_reading()
                self._session.probing(True)
            polling.when_free(self._take_over)
            return
        self._end()
        transport.adopt(self._session)
        self._session.upgraded(transport)
        if self._waiting:
            transport.resume_reading()

    def violated(self, error: ProtocolError) -> None:
        """Close the candidate; the session stays on polling."""
        self.cancel(error.code if isinstance(error, WebSocketError) else 1002, str(error))

    def cancel(self, code: int = 1000, reason: str = "upgrade timeout") -> None:
        """Close the candidate."""
        self._end()
        if self._transport:
            self._transport.close(code, reason)

    def ended(self, reason: str) -> None:
        """The WebSocket is gone."""
        self._end()

    def hold(self, size: int) -> None:
        """Count them among the session's."""
        self._session.hold(size)

    def session_ended(self, reason: str) -> None:
        """The session is over: wait for the ``5`` if there is something to say, else close the candidate."""
        asyncio.get_running_loop().call_soon(self._cancel_if_silent, reason)  # until polling has put its packets aside

    def _cancel_if_silent(self, reason: str) -> None:
        if not self._session.engine.farewells.holds(self._session.id):
            self.cancel(reason=reason)

    def _say_last(self, packet: str | bytes) -> None:
        """Write what waited when the session ended, if the client comes for it this way."""
        farewells, session = self._session.engine.farewells, self._session
        body = farewells.take(session.id, session.user) if packet == UPGRADE else None
        if body is not None and self._transport:
            farewells.forget(session.id)  # the close packet: this client polls no more
            packets = [last for last in decode_payload(body) if last != CLOSE]
            self._transport.send(b"".join([_frame(last) for last in packets]))
        self.cancel(reason="the session is over")

    def writable(self) -> None:
        """Nothing of the session's goes this way yet."""

    def _end(self) -> None:
        self._timer.cancel()
        if self._session.upgrade is self:
            self._session.upgrade = None
            self._session.probing(False)


def _frame(packet: str | bytes) -> bytes:
    return encode_frame(TEXT, packet.encode()) if isinstance(packet, str) else encode_frame(BINARY, packet)


class SurplusWebSocket:
    """A WebSocket for a session that has one, or one that probes: it is closed once its handshake is complete.

    An HTTP error instead of the handshake would crash clients of the official test suites. The session goes on.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.max_size = session.max_size
        self.share = session.share

    def opened(self, transport: WebSocketTransport) -> None:
        """Close it."""
        transport.close(1000, "this session has a WebSocket already")

    def receive(self, packet: str | bytes) -> None:
        """It is not listened to."""

    def hold(self, size: int) -> None:
        """Count nothing: what comes is dropped."""

    def writable(self) -> None:
        """Nothing goes this way."""

    def violated(self, error: ProtocolError) -> None:
        """It is closed already."""

    def ended(self, reason: str) -> None:
        """It is gone."""
