"""The half of a socket that sends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from jupyter_rtmsg.errors import AckTimeout, TooLarge
from jupyter_rtmsg.wire.packet import Encoded
from jupyter_rtmsg.wire.parser import Codec

from .acks import Acks
from .emitter import Emitter, Flags
from .lane import LaneFactory
from .retries import RetryQueue
from .sendbuffer import SendBuffer, Waiting
from .session import Session
from .stateful import Stateful

_PLAIN = Flags()
_log = logging.getLogger("jupyter_rtmsg")


class Sending(Stateful, Emitter):
    """What sends events: now, later, again.

    Parameters
    ----------
    namespace : str
    retries : int
        How often an event is sent again that is not acknowledged.
    ack_timeout : float
        Seconds that an acknowledgement may take.
    lanes : callable
        Makes the lane on which handlers run.
    codec : Codec
        What is spoken.
    """

    def __init__(self, namespace: str, retries: int, ack_timeout: float, lanes: LaneFactory, codec: Codec) -> None:
        super().__init__(lanes, f"rtmsg socket {namespace}")
        self.namespace = namespace
        self._codec = codec
        self._session: Session | None = None
        self._retries = retries
        self._ack_timeout = ack_timeout
        self._queue = RetryQueue(self._ask_once, self._comes, retries) if retries else None
        self._buffer = SendBuffer()
        self._acks = Acks()

    def _emit(self, flags: Flags, args: Sequence[Any]) -> None:
        packet = self._codec.event(args, self.namespace)
        if self._queue is not None and not flags.volatile:
            self._queue.add(args, flags.timeout or self._ack_timeout)
        else:
            self._send(Waiting(packet, args, None), flags)

    async def _ask(self, flags: Flags, args: Sequence[Any]) -> Any:
        timeout = flags.timeout or self._ack_timeout
        if self._queue is not None and not flags.volatile:
            self._codec.event(args, self.namespace)  # what cannot be sent is refused at once
            return await self._queue.add(args, timeout)
        return await self._ask_once(args, timeout, flags)

    async def _ask_once(self, args: Sequence[Any], timeout: float, flags: Flags = _PLAIN) -> Any:
        id = self._acks.new_id()
        waiting = Waiting(self._codec.event(args, self.namespace, id), args, id)
        future = self._acks.future(id)
        try:
            self._send(waiting, flags)
            answer = await asyncio.wait_for(future, timeout)
        except asyncio.TimeoutError:
            raise AckTimeout(
                f"no answer to {args[0]!r} within {timeout:g} s: the server is slow, or has no handler that answers it"
            ) from None
        finally:
            if self._acks.forget(id):
                self._buffer.discard(id)
        return answer[0] if len(answer) == 1 else answer or None

    def _send(self, waiting: Waiting, flags: Flags) -> None:
        if self.connected and self._session and not self._session.ended.done():
            _check_size(waiting.packet, self._session)
            if not flags.volatile or self.can_write:
                self._tell_outgoing(waiting.args)
                self._session.send(waiting.packet)
        elif not flags.volatile:
            self._buffer.add(waiting)

    def _send_what_waited(self, session: Session) -> None:
        for waiting in self._buffer.take():
            try:
                _check_size(waiting.packet, session)
            except TooLarge as error:
                _log.warning("%r was not sent: %s", waiting.args[0], error)
                if waiting.id is not None:
                    self._acks.give_up(waiting.id, error)
            else:
                self._tell_outgoing(waiting.args)
                session.send(waiting.packet)
        if self._queue is not None:
            self._queue.wake()

    @property
    def can_write(self) -> bool:
        """Whether the transport takes more now."""
        return self._session is not None and self._session.can_write

    @property
    def descriptors(self) -> list[int]:
        """The descriptors of the connection, none when there is no connection."""
        return self._session.descriptors if self._session else []


def _check_size(packet: Encoded, session: Session) -> None:
    """Refuse what would end the connection, as the server takes no message of that size; raises `TooLarge`."""
    size = max(len(packet.text), max(map(len, packet.attachments), default=0))
    if not session.fits(size, packet.attachments):
        limit = session.handshake.max_payload if session.handshake else 0
        raise TooLarge(
            f"the event has a part of {size:,} bytes, and the server takes messages of {limit:,}: "
            "send it in pieces, or give the server a larger limit (max_payload, in Node maxHttpBufferSize)"
        )
