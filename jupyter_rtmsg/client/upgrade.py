"""From long-polling to a WebSocket: no packet is lost or overtaken (docs/protocol.md#engineio-upgrade)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from jupyter_rtmsg.errors import ProtocolError
from jupyter_rtmsg.wire.engineio import PING, PONG, PROBE, UPGRADE, Packet

from .endpoint import Endpoint
from .polling import Polling
from .session import Session
from .transport import Transport
from .websocket import WebSocket, open_websocket


class Probe:
    """The receiver of a candidate: it sends ``2probe`` and waits for ``3probe``."""

    def __init__(self) -> None:
        self.lost_because = ""
        self._answered = asyncio.Event()
        self._answer: Packet = ""

    def connected(self, transport: Transport) -> None:
        """Send the probe."""
        transport.write([PING + PROBE])

    def received(self, packets: Sequence[Packet]) -> None:
        """Take the answer."""
        self._answer = packets[0]
        self._answered.set()

    def lost(self, reason: str) -> None:
        """Learn that the candidate has ended."""
        self.lost_because = reason
        self._answered.set()

    def writable(self) -> None:
        """Nothing waits for that."""

    async def answered(self) -> None:
        """Wait for the answer; ConnectionError or `ProtocolError` if it is another one."""
        await self._answered.wait()
        self.check()
        if self._answer != PONG + PROBE:
            raise ProtocolError(f"expected an answer to the probe, not {self._answer!r:.40}")

    def check(self) -> None:
        """Raise ConnectionError if the candidate has ended."""
        if self.lost_because:
            raise ConnectionResetError(self.lost_because)


async def upgrade(endpoint: Endpoint, session: Session, polling: Polling, sid: str) -> None:
    """Let a session go on over a WebSocket, if one gets through.

    Raises
    ------
    OSError, HttpFailed, HttpRefused, ProtocolError
        If none gets through: then `Polling.resume` lets the session go on as it was.
    """
    polling.probing()
    candidate = await _candidate(endpoint, polling, sid)
    candidate.hand_over(session)
    candidate.write([UPGRADE, *polling.hand_over()])
    session.switch(candidate)


async def _candidate(endpoint: Endpoint, polling: Polling, sid: str) -> WebSocket:
    """Return a WebSocket that the server has answered over, when polling has come to rest."""
    probe = Probe()
    candidate = await open_websocket(endpoint, probe, sid=sid)
    try:
        await probe.answered()
        await polling.hold()  # the server answers the GET that waits, and its packets come before all others
        probe.check()
    except BaseException:
        candidate.abort()
        raise
    return candidate
