"""The upgrade from long-polling to WebSocket: no packet is lost or reordered (docs/protocol.md#engineio-upgrade)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from jupyter_rtmsg.errors import ProtocolError
from jupyter_rtmsg.wire.engineio import PING, PONG, PROBE, UPGRADE, Packet

from .endpoint import Endpoint
from .polling import Polling
from .session import ClientSession
from .transport import ClientTransport
from .websocket import WebSocket, open_websocket


class Probe:
    """The first receiver of the new WebSocket: it sends ``2probe`` and waits for ``3probe``."""

    def __init__(self) -> None:
        self.lost_because = ""
        self._answered = asyncio.Event()
        self._answer: Packet = ""

    def connected(self, transport: ClientTransport) -> None:
        """Send the probe."""
        transport.write([PING + PROBE])

    def received(self, packets: Sequence[Packet]) -> None:
        """Keep the answer."""
        self._answer = packets[0]
        self._answered.set()

    def lost(self, reason: str) -> None:
        """Note that the WebSocket has ended."""
        self.lost_because = reason
        self._answered.set()

    def writable(self) -> None:
        """Do nothing: a probe fits into any buffer."""

    async def answered(self) -> None:
        """Wait for the answer.

        Raises
        ------
        ConnectionResetError
            If the WebSocket ends.
        ProtocolError
            If the answer is not ``3probe``.
        """
        await self._answered.wait()
        self.check()
        if self._answer != PONG + PROBE:
            raise ProtocolError(f"expected 3probe, the answer to the probe, not {self._answer!r:.40}")

    def check(self) -> None:
        """Raise ConnectionResetError if the WebSocket has ended."""
        if self.lost_because:
            raise ConnectionResetError(self.lost_because)


async def upgrade(endpoint: Endpoint, session: ClientSession, polling: Polling, sid: str) -> None:
    """Move a session from long-polling to a WebSocket.

    Raises
    ------
    OSError, HttpFailed, HttpRefused, ProtocolError
        If no WebSocket gets through. The caller then calls `Polling.resume`.
    """
    polling.probing()
    candidate = await _candidate(endpoint, polling, sid)
    candidate.hand_over(session)
    candidate.write([UPGRADE, *polling.hand_over()])
    session.switch(candidate)


async def _candidate(endpoint: Endpoint, polling: Polling, sid: str) -> WebSocket:
    """Return a WebSocket on which the server has answered the probe, once polling has stopped."""
    probe = Probe()
    candidate = await open_websocket(endpoint, probe, sid=sid)
    try:
        await probe.answered()
        await polling.hold()  # the server answers the pending GET, and its packets must be delivered first
        probe.check()
    except BaseException:
        candidate.abort()
        raise
    return candidate
