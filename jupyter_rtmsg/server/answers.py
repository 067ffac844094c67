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
    missing : int
        How many may still come.
    error : Exception or None
        Why somebody did not answer.
    """

    def __init__(self, asked: int) -> None:
        self.values: list[Any] = []
        self.missing = asked
        self.error: Exception | None = None
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, args: list[Any] | Exception) -> None:
        """Take the arguments of an acknowledgement, or why there is none."""
        self.missing -= 1
        if isinstance(args, Exception):
            self.error = args
        else:
            self.values.append(args[0] if len(args) == 1 else (args or None))
        if not self.missing and not self.complete.done():
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
        The answers in the order of their coming. Who has disconnected has none, nor who answered with data that
        cannot be taken.

    Raises
    ------
    AckTimeout
        With the answers that came in time.
    Disconnected
        If a single one was asked, and is gone.
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
    try:
        for namespace, group in groupby(sockets, lambda socket: socket.namespace):
            namespace.ask(list(group), args, id, answers.take, compress=flags.compress)
        await asyncio.wait_for(answers.complete, flags.timeout)
    except asyncio.TimeoutError:
        message = f"{answers.missing} of {len(sockets)} did not acknowledge in {flags.timeout} s"
        raise AckTimeout(message, answers.values) from None
    finally:
        for socket in sockets:
            socket.forget_ack(id)
    if answers.error is not None and (
        len(sockets) == 1 or not isinstance(answers.error, (Disconnected, PacketRefused))
    ):
        raise answers.error
    return answers.values
