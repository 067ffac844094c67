"""The half of a socket that receives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from jupyter_rtmsg.errors import PacketRefused
from jupyter_rtmsg.wire.packet import Packet
from jupyter_rtmsg.wire.parser import Codec

from .lane import Call, LaneFactory
from .recovery import Recovery
from .sending import Sending

_log = logging.getLogger("jupyter_rtmsg")
_MAX_EARLY = 10_000


class FirstReply:
    """Acknowledges an event once, with the first result of its handlers that is not None.

    Parameters
    ----------
    reply : callable
        Sends the acknowledgement.
    handlers : int
        How many are called, one after the other. None is the answer if all of them return it.
    """

    __slots__ = ("_left", "_reply")

    def __init__(self, reply: Callable[[Any], None], handlers: int) -> None:
        self._reply: Callable[[Any], None] | None = reply
        self._left = handlers

    def __call__(self, result: Any) -> None:
        """Take the result of a handler."""
        self._left -= 1
        if self._reply and (result is not None or not self._left):
            reply, self._reply = self._reply, None
            reply(result)


class Receiving(Sending):
    """What hands events to handlers, and what these return to the server.

    Attributes
    ----------
    id : str or None
        The server's id of this socket; None until it has answered CONNECT.
    """

    _offsets = False

    def __init__(self, namespace: str, retries: int, ack_timeout: float, lanes: LaneFactory, codec: Codec) -> None:
        super().__init__(namespace, retries, ack_timeout, lanes, codec)
        self.id: str | None = None
        self._recovery = Recovery(self._offsets)
        self._early: list[Packet] = []

    def _plain(self, packet: Packet) -> None:
        if self.id is not None:
            self._event(packet)
        elif len(self._early) < _MAX_EARLY:  # a server that recovers may send what was missed before it answers CONNECT
            self._early.append(packet)
        else:
            _log.warning("an event was dropped: %d others came before the answer to CONNECT", _MAX_EARLY)

    def _skip(self, error: PacketRefused) -> None:
        """Go on after an event whose data cannot be taken."""
        _log.warning("an event in namespace %s was skipped: %s", self.namespace, error)

    def _take_early(self) -> None:
        early, self._early = self._early, []
        for packet in early:
            self._event(packet)

    def _event(self, packet: Packet) -> None:
        if packet.id is None and self._recovery.received(packet.data):
            return
        name, *rest = packet.data
        args = tuple(rest)
        self._tell_any(packet.data)
        handlers = self._handlers.take(name) if type(name) is str else ()
        if handlers:
            reply = None if packet.id is None else FirstReply(self._replier(packet.id), len(handlers))
            fitted = self._recovery.fitted
            self._enqueue(Call(handler, fitted(handler, args), reply) for handler in handlers)

    def _replier(self, id: int) -> Callable[[Any], None]:
        session, loop, codec, namespace = self._session, asyncio.get_running_loop(), self._codec, self.namespace

        def reply(result: Any) -> None:
            args = result if type(result) is tuple else () if result is None else (result,)
            packet = codec.ack(id, args, namespace)
            if session and not loop.is_closed():
                loop.call_soon_threadsafe(lambda: None if session.ended.done() else session.send(packet))

        return reply
