"""The socket of a hub's client: a plain one that comes back whatever happens, and says who it is first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from jupyter_rtmsg.client.connection import PASSING
from jupyter_rtmsg.client.refusal import connect_error
from jupyter_rtmsg.client.session import Session
from jupyter_rtmsg.client.socket import SocketClient
from jupyter_rtmsg.errors import CommandError, Disconnected, PacketRefused
from jupyter_rtmsg.wire.data import prune
from jupyter_rtmsg.wire.socketio import ACK, EVENT, Encoded, Packet, header

_ANSWER_TIMEOUT = 10


class HubSocket(SocketClient):
    """The socket beneath an `AsyncClient`.

    Attributes
    ----------
    route : callable or None
        Called with the arguments and the size of every event; tells whether the event was one of a room.
    prepare : callable or None
        Awaited between CONNECT and "connected".
    skip : callable or None
        Called with the arguments of an event whose data is nested too deep, None in the place of that.
    on_lost : callable or None
        Called when the connection was lost.
    on_changed : callable or None
        Called with each new state. It is no handler, which a cell that runs again might replace.
    """

    route: Callable[[list[Any], int], bool] | None = None
    skip: Callable[[list[Any]], None] | None = None
    prepare: Callable[[], Awaitable[None]] | None = None
    on_lost: Callable[[], None] | None = None
    on_changed: Callable[[str], None] | None = None
    _patience: asyncio.TimerHandle | None = None
    _used = False
    _offsets = True  # for its other clients

    async def connect(self, timeout: float = 10.0) -> None:
        """Connect for the first time, and stay connected until `disconnect`; see `SocketClient.connect`."""
        self.io.check_loop()
        if self.connected:
            return
        if self._used:
            raise RuntimeError("this client has been connected before")
        self._used = True
        await super().connect(timeout)

    def opened(self, session: Session) -> None:
        """Send CONNECT, and expect an answer."""
        super().opened(session)
        self._patience = asyncio.get_running_loop().call_later(_ANSWER_TIMEOUT, self._unanswered, session)

    def _unanswered(self, session: Session) -> None:
        self.io.remember(asyncio.TimeoutError("the server did not answer CONNECT"))
        session.abort("the server did not answer CONNECT")

    def _open(self) -> None:
        assert self._session
        self._calm()
        # not a task of its own: leaving cancels it, as it cancels the sending of CONNECT
        self._entering = asyncio.get_running_loop().create_task(self._prepare(self._session), name=self._name)

    def _calm(self) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None

    async def _prepare(self, session: Session) -> None:
        try:
            if self.prepare:
                await self.prepare()
        except Exception as error:  # noqa: BLE001 - it belongs to who connects
            self._again(session, error)
        else:
            if self._session is session and not session.ended.done():
                super()._open()

    def _again(self, session: Session, error: Exception) -> None:
        """Try once more, unless nobody has got in yet and it would not help."""
        self.io.remember(error)
        passing = isinstance(error, PASSING) or (isinstance(error, CommandError) and error.passing)
        self.failed(error, passing=passing or self.io.renew(error))
        session.abort(f"not connected: {error}")

    def _not_answered(self, account: str) -> None:
        """Try on: a hub speaks the default parser, and may be busy for a while."""

    def _refusal(self, data: Any) -> Exception:
        return connect_error(data, self.io.address)

    def _refuse(self, error: Exception) -> None:
        self._calm()
        if self._session:
            self._again(self._session, error)

    def _server_left(self) -> None:
        if self._session:  # the hub will have this client again: it may be another one by then
            self._session.close("disconnected by the server")

    def lost(self, account: str) -> None:
        """Learn that the session has ended."""
        self._calm()
        super().lost(account)
        if self.on_lost:
            self.on_lost()

    def _set_state(self, state: str) -> None:
        changed = state != self.state
        super()._set_state(state)
        if changed and self.on_changed:
            self.on_changed(state)

    async def disconnect(self, timeout: float = 5.0) -> None:
        """Leave, and connect no more; see `SocketClient.disconnect`."""
        self._calm()
        await super().disconnect(timeout)

    def fits(self, size: int, attachments: Sequence[bytes]) -> bool:
        """Whether the server takes an event of ``size`` bytes in all, of which these are the attachments."""
        return self._session is None or self._session.fits(size, attachments)

    def request(self, json: bytes, attachments: Sequence[bytes], answer: Callable[[Any], None]) -> int:
        """Send an event that is encoded but for its header; ``answer`` gets the ack's list, or `Disconnected`.

        Returns
        -------
        int
            The id of the ack, for `forget`.
        """
        self.io.check_loop()
        if self._session is None or self.id is None:  # before CONNECT is answered a server takes nothing else
            raise Disconnected(self._offline())
        id = self._acks.new_id()
        self._session.send(Encoded(header(EVENT, id=id, attachments=len(attachments)) + json, attachments))
        self._acks.expect(id, answer)
        return id

    def forget(self, id: int) -> None:
        """Wait no longer for an ack."""
        self._acks.forget(id)

    def refused(self, error: PacketRefused) -> None:
        """Learn that a packet came whose data cannot be taken: an event of a room must not be missed for ever."""
        if error.type == EVENT and self.skip and error.payload:
            self.skip(prune(error.payload))
        super().refused(error)

    def packet(self, packet: Packet, size: int) -> None:
        """Take a packet: an event of a room before all others."""
        kind = packet.type
        if kind is EVENT:
            routed = self.route is not None and self.route(packet.data, size)
            if not routed or self._handlers.all or self._any.all:
                self._plain(packet)
        elif kind is ACK:
            self._acks.take(packet)
        else:
            self._control(packet)
