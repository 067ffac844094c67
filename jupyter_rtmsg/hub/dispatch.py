"""From an event of a socket to a command, and from what it returns or raises to the acknowledgement."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from jupyter_rtmsg.errors import LogClosed, Shutdown, UnknownCommand
from jupyter_rtmsg.log.eventlog import Appended
from jupyter_rtmsg.server import Socket
from jupyter_rtmsg.wire.data import EncodedJSON

from .commands import COMMANDS
from .reply import Reply, command_error, refusal
from .request import request_of

if TYPE_CHECKING:
    from .hub import Hub


class Dispatcher:
    """Routes the events of a namespace to commands. One member's error touches nobody else.

    Parameters
    ----------
    hub : Hub
    """

    __slots__ = ("_hub",)

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def route(self, socket: Socket, name: str, args: list[Any], wants_ack: bool) -> Any:
        """Be the route of a namespace, see `Namespace.route`."""
        hub = self._hub
        try:
            command = COMMANDS.get(name)
            if command is None:
                raise UnknownCommand(f"no command {name!r:.80}: there are {', '.join(COMMANDS)}")
            if hub.connections.closed:
                raise Shutdown("the server is going down")
            answer = command(hub, hub.connections[socket.id], request_of(args[1:]))
        except Exception as error:  # noqa: BLE001 - told to its caller, logged where it is ours
            return self._refuse(socket, name, error, wants_ack)
        if type(answer) is dict:
            return answer
        if isinstance(answer, CoroutineType):
            return self._finish(socket, name, answer, wants_ack)
        return self._answer_when_stored(socket, name, answer, wants_ack)  # type: ignore[arg-type]

    async def _finish(
        self, socket: Socket, name: str, command: Coroutine[Any, Any, Reply | EncodedJSON], wants_ack: bool
    ) -> Any:
        try:
            return await command
        except Exception as error:  # noqa: BLE001 - told to its caller, logged where it is ours
            return self._refuse(socket, name, error, wants_ack)

    def _answer_when_stored(
        self, socket: Socket, name: str, appended: asyncio.Future[Appended], wants_ack: bool
    ) -> asyncio.Future[Any]:
        """Return a future of the reply: unlike a coroutine, it lets the socket's next publish into the same commit."""
        reply: asyncio.Future[Any] = self._hub.loop.create_future()

        def done(appended: asyncio.Future[Appended]) -> None:
            if reply.cancelled():
                return
            error = LogClosed("the log was closed") if appended.cancelled() else appended.exception()
            if error is not None:
                reply.set_result(self._refuse(socket, name, error, wants_ack))
            else:
                seq, duplicate = appended.result()
                stored = b'{"ok":true,"seq":%d,"duplicate":%b}' % (seq, b"true" if duplicate else b"false")
                reply.set_result(EncodedJSON(stored))

        appended.add_done_callback(done)
        return reply

    @staticmethod
    def _refuse(socket: Socket, name: Any, error: BaseException, wants_ack: bool) -> Reply | None:
        refused = command_error(error, str(name)[:80])
        if wants_ack:
            return refusal(refused)
        socket.emit("$error", {"command": str(name)[:80], "code": refused.code, "message": refused.message})
        return None
