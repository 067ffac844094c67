"""Asking clients, and waiting for their acknowledgements (docs/protocol.md#socketio-events)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..errors import AckTimeout, Disconnected, PacketRefused

if TYPE_CHECKING:
    from .broadcast import Flags
    from .socket import Socket


class Answers:
    """The answers to one event that was sent to several clients under one id.

    Attributes
    ----------
    values : list
        What has come: of each client the argument of its acknowledgement, or the list of several, or None.
    waiting : int
        How many may still come.
    gone : list of str
        The ids of those who left before they answered.
    error : Exception or None
        Why somebody's answer cannot come who is still there.
    """

    def __init__(self, asked: int) -> None:
        self.values: list[Any] = []
        self.waiting = asked
        self.gone: list[str] = []
        self.error: Exception | None = None
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, args: list[Any] | Exception) -> None:
        """Take the arguments of an acknowledgement, or why there is none."""
        self.waiting -= 1
        if isinstance(args, Disconnected):
            self.gone += args.missing
        elif isinstance(args, Exception):
            self.error = args
        else:
            self.values.append(args[0] if len(args) == 1 else (args or None))
        if not self.waiting and not self.complete.done():
            self.complete.set_result(None)


async def ask(sockets: Collection[Socket], args: list[Any], flags: Flags) -> list[Any]:
    """Emit to some sockets and wait for the answer of each.

    Parameters
    ----------
    sockets : collection of Socket
        Those of one namespace stand together.
    args : list
        The event's name and its arguments.
    flags : Flags

    Returns
    -------
    list
        The answers in the order of their coming. Of several, who answered with data that cannot be taken has none.

    Raises
    ------
    AckTimeout
        If somebody did not answer in time.
    Disconnected
        If somebody left before answering, and all others have answered. Both errors hold the answers that came,
        ``responses``, and the ids of the sockets that did not answer, ``missing``.
    PacketRefused
        If a single one was asked, and answered with data that cannot be taken.
    QueueFull
        If so much of what a client sent waits for its handlers that its answer cannot be read.
    """
    if not sockets:
        return []
    next(iter(sockets)).session.engine.check_thread("emit_with_ack()")
    answers = Answers(len(sockets))
    id = next(next(iter(sockets)).namespace.server.ack_ids)
    late: list[str] = []
    try:
        for namespace, group in groupby(sockets, lambda socket: socket.namespace):
            namespace.ask(list(group), args, id, answers.take, compress=flags.compress)
        await asyncio.wait_for(answers.complete, flags.timeout)
    except asyncio.TimeoutError:
        late = [socket.id for socket in sockets if socket.awaits_ack(id)]
    finally:
        for socket in sockets:
            socket.forget_ack(id)
    if answers.error is not None and (len(sockets) == 1 or not isinstance(answers.error, PacketRefused)):
        raise answers.error
    missing = answers.gone + late
    if late:
        words = f"{len(missing)} of {len(sockets)} did not acknowledge in {flags.timeout} s"
        raise AckTimeout(words, answers.values, missing)
    if missing:
        words = "the client is" if len(sockets) == 1 else f"{len(missing)} of {len(sockets)} are"
        raise Disconnected(f"{words} gone, and did not acknowledge {args[0]!r}", answers.values, missing)
    return answers.values
