"""Upgrades: a WebSocket takes over a polling session (docs/protocol.md#engineio-upgrade)."""

from __future__ import annotations

import asyncio

from jupyter_rtmsg.errors import ProtocolError, WebSocketError
from jupyter_rtmsg.wire.engineio import CLOSE, PING, PONG, PROBE, UPGRADE, decode_payload
from jupyter_rtmsg.wire.websocket import BINARY, TEXT, encode_frame

from .polling import PollingTransport
from .responses import ClosedSessions
from .session import Session
from .turns import Share
from .websocket import WebSocketTransport


class Upgrade:
    """A WebSocket that may take over a session. It stands in for the session until the client sends ``5`` (upgrade).

    States:

    * *open*: polling remains the live transport; only the answer to the probe is sent over the WebSocket. ``5`` may
      come without a probe (PHP's elephant.io).
    * *waiting*, since ``5``: requests of the client are under way. The WebSocket is not read until they are complete,
      so that no packet is lost or overtaken.
    * *over*: the WebSocket has taken over, or it was closed, or it timed out.

    If the session ends before ``5`` with packets that no GET has taken yet, they are sent with the ``5`` or with the
    next GET, whichever the client sends first.

    Parameters
    ----------
    session : Session
    closed_sessions : ClosedSessions
        Has the final packets of a session that ended meanwhile.
    timeout : float
        Seconds until the WebSocket is closed if it has not taken over.
    """

    __slots__ = ("_closed_sessions", "_probed", "_session", "_timer", "_transport", "_waiting")

    def __init__(self, session: Session, closed_sessions: ClosedSessions, timeout: float) -> None:
        self._session = session
        self._closed_sessions = closed_sessions
        self._probed = False
        self._waiting = False
        self._transport: WebSocketTransport | None = None
        self._timer = asyncio.get_running_loop().call_later(timeout, self.cancel)
        session.begin_upgrade(self)

    # --- for the session

    def admitted(self) -> None:
        """Accept messages of full size: the session was admitted."""
        if self._transport:
            self._transport.set_max_size(self.max_size)

    def session_ended(self, reason: str) -> None:
        """Wait for the ``5`` if packets are left for the client, else close the WebSocket."""
        # Later: the polling transport has not yet handed its final payloads to `ClosedSessions`.
        asyncio.get_running_loop().call_soon(self._cancel_if_empty, reason)

    def _cancel_if_empty(self, reason: str) -> None:
        if not self._closed_sessions.has_messages(self._session.id):
            self.cancel(reason=reason)

    # --- for the transport: `Peer`

    @property
    def max_size(self) -> int:
        """The session's limit: messages for the session follow the ``5``."""
        return self._session.max_size

    @property
    def share(self) -> Share:
        """The session's share of the event loop."""
        return self._session.share

    def opened(self, transport: WebSocketTransport) -> None:
        """Store the transport; close it if the upgrade timed out while the 101 was written."""
        self._transport = transport
        if self._session.upgrade is not self:  # nothing else refers to the transport now
            transport.close(1000, "upgrade timeout")

    def receive(self, packet: str | bytes) -> None:
        """Answer the probe, or take over."""
        if self._transport is None:
            return
        if self._session.closed:
            self._send_final(packet)
        elif packet == PING + PROBE and not self._probed:
            self._probed = True
            self._transport.send(encode_frame(TEXT, (PONG + PROBE).encode()))
            self._probing(True)
        elif packet == UPGRADE:
            self._take_over()
        else:
            self.violated(ProtocolError(f"a WebSocket that probes sends '2probe' and '5', not {packet!r:.20}"))

    def hold(self, size: int) -> None:
        """Charge the session for bytes of an incomplete message."""
        self._session.hold(size)

    def writable(self) -> None:
        """Do nothing: the session does not write to this transport yet."""

    def violated(self, error: ProtocolError) -> None:
        """Close the WebSocket. The session stays on polling."""
        self.cancel(error.code if isinstance(error, WebSocketError) else 1002, str(error))

    def ended(self, reason: str) -> None:
        """Give the upgrade up: the WebSocket is closed."""
        self._end()

    # --- inside

    def cancel(self, code: int = 1000, reason: str = "upgrade timeout") -> None:
        """Close the WebSocket."""
        self._end()
        if self._transport:
            self._transport.close(code, reason)

    def _take_over(self) -> None:
        """Replace polling once no request is under way."""
        polling, transport = self._session.transport, self._transport
        if self._session.upgrade is not self or transport is None:
            return
        if self._session.closed:
            self._send_final(UPGRADE)
            return
        if isinstance(polling, PollingTransport) and polling.busy:
            if not self._waiting:
                self._waiting = True
                transport.pause_reading()  # packets behind the 5 must not overtake those of the POST
                self._probing(True)  # an open GET is answered, so that it does not delay the upgrade
            polling.when_free(self._take_over)
            return
        self._end()
        # The old transport gives the session up before the new one has it: no packet is written to both.
        if isinstance(polling, PollingTransport):
            polling.retire()
        transport.adopt(self._session)
        self._session.upgraded(transport)
        if self._waiting:  # the session handles the packets behind the 5
            transport.resume_reading()

    def _send_final(self, packet: str | bytes) -> None:
        """Send the final packets of a session that has ended, if its client upgrades rather than polls."""
        closed, session = self._closed_sessions, self._session
        body = closed.take(session.id, session.user) if packet == UPGRADE else None
        if body is not None and self._transport:
            closed.forget(session.id)  # the close packet, which was kept for a GET
            packets = [last for last in decode_payload(body) if last != CLOSE]
            self._transport.send(b"".join([_frame(last) for last in packets]))
        self.cancel(reason="the session is over")

    def _end(self) -> None:
        self._timer.cancel()
        if self._session.upgrade is self:
            self._session.end_upgrade()
            self._probing(False)

    def _probing(self, probing: bool) -> None:
        polling = self._session.transport
        if isinstance(polling, PollingTransport):
            polling.probe(probing)


def _frame(packet: str | bytes) -> bytes:
    return encode_frame(TEXT, packet.encode()) if isinstance(packet, str) else encode_frame(BINARY, packet)


class SurplusWebSocket:
    """A WebSocket for a session that already has one, or one that probes. It is closed after its handshake.

    Official test suites crash on an HTTP error in place of the handshake. The session goes on.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.max_size = session.max_size
        self.share = session.share

    def opened(self, transport: WebSocketTransport) -> None:
        """Close the WebSocket."""
        transport.close(1000, "this session has a WebSocket already")

    def receive(self, packet: str | bytes) -> None:
        """Drop the packet."""

    def hold(self, size: int) -> None:
        """Count nothing: packets are dropped."""

    def writable(self) -> None:
        """Do nothing: there is nothing to write."""

    def violated(self, error: ProtocolError) -> None:
        """Do nothing: the WebSocket is being closed."""

    def ended(self, reason: str) -> None:
        """Do nothing: the session goes on."""
