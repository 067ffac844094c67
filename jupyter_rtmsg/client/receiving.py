"""Receiving events: they are delivered to handlers, and the results of these acknowledge them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from jupyter_rtmsg.wire.packet import Packet
from jupyter_rtmsg.wire.parser import Codec

from .executor import Call
from .listeners import Listeners
from .recovery import RecoveryClaim
from .session import ClientSession

logger = logging.getLogger(__name__)
_MAX_EARLY = 10_000


class FirstReply:
    """Acknowledges an event once, with the first result of its handlers that is not None.

    Parameters
    ----------
    reply : callable
        Sends the acknowledgement.
    handlers : int
        The number of handlers that are called, one after the other. If all return None, so does the acknowledgement.
    """

    __slots__ = ("_left", "_reply")

    def __init__(self, reply: Callable[[Any], None], handlers: int) -> None:
        self._reply: Callable[[Any], None] | None = reply
        self._left = handlers

    def __call__(self, result: Any) -> None:
        """Take the result of the next handler."""
        self._left -= 1
        if self._reply and (result is not None or not self._left):
            reply, self._reply = self._reply, None
            reply(result)


class Delivery:
    """Delivers the events of one socket to its handlers.

    Two states. *Closed*, until the server has answered CONNECT: events are kept, since a server that recovers a
    connection may send the missed ones first. *Open*, from `open` to `close`: events are delivered at once. `flush`
    delivers those that were kept.

    Parameters
    ----------
    namespace : str
    codec : Codec
    listeners : Listeners
    recovery : RecoveryClaim
        Notes the offset of each event.
    """

    def __init__(self, namespace: str, codec: Codec, listeners: Listeners, recovery: RecoveryClaim) -> None:
        self._namespace = namespace
        self._codec = codec
        self._listeners = listeners
        self._recovery = recovery
        self._session: ClientSession | None = None
        self._early: list[Packet] = []

    def open(self, session: ClientSession) -> None:
        """Deliver events at once from now on, and send acknowledgements over the session."""
        self._session = session

    def flush(self) -> None:
        """Deliver the events that came before the answer to CONNECT."""
        early, self._early = self._early, []
        for packet in early:
            self._deliver(packet)

    def close(self) -> None:
        """Forget the session, and the events that were kept."""
        self._session = None
        self._early.clear()

    def receive(self, packet: Packet) -> None:
        """Take an EVENT packet."""
        if self._session:
            self._deliver(packet)
        elif len(self._early) < _MAX_EARLY:
            self._early.append(packet)
        else:
            logger.warning("an event was dropped: %d others came before the answer to CONNECT", _MAX_EARLY)

    def _deliver(self, packet: Packet) -> None:
        if packet.id is None and self._recovery.received(packet.data):
            return  # it only carries the offset
        name, *rest = packet.data
        args = tuple(rest)
        listeners = self._listeners
        listeners.notify(listeners.any, packet.data)  # before the handlers of the name, as in socket.io-client
        handlers = listeners.named.take(name) if type(name) is str else ()
        if handlers:
            reply = None if packet.id is None else FirstReply(self._replier(packet.id), len(handlers))
            fitted = self._recovery.fitted
            listeners.enqueue(Call(handler, fitted(handler, args), reply) for handler in handlers)

    def _replier(self, id: int) -> Callable[[Any], None]:
        """Return a function that sends an ACK from any thread, if the session still exists."""
        session, loop, codec, namespace = self._session, asyncio.get_running_loop(), self._codec, self._namespace

        def reply(result: Any) -> None:
            args = result if type(result) is tuple else () if result is None else (result,)
            packet = codec.ack(id, args, namespace)
            if session and not loop.is_closed():  # a handler may return after its client was closed
                loop.call_soon_threadsafe(lambda: None if session.ended.done() else session.send(packet))

        return reply
