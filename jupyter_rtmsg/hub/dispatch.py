"""From an event of a socket to a command, and from what it returns or raises to the acknowledgement."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from types import CoroutineType
from typing import Any, TypeAlias

from jupyter_rtmsg.errors import LogConflict, Shutdown, UnknownCommand
from jupyter_rtmsg.log.eventlog import Appended, Draft, size_of
from jupyter_rtmsg.server import LATER, Socket
from jupyter_rtmsg.wire.data import EncodedJSON

from .budget import READING
from .commands import COMMANDS
from .core import HubCore
from .reply import Reply, command_error, refusal
from .request import request_of
from .room import Participant

Command: TypeAlias = "Coroutine[Any, Any, Reply | EncodedJSON]"


class Dispatcher:
    """Routes the events of a namespace to commands. One member's error touches nobody else.

    Parameters
    ----------
    hub : HubCore
    """

    __slots__ = ("_hub",)

    def __init__(self, hub: HubCore) -> None:
        self._hub = hub

    def route(self, socket: Socket, name: str, args: list[Any], id: int | None) -> Any:
        """Be the route of a namespace, see `Namespace.route`."""
        hub = self._hub
        try:
            command = COMMANDS.get(name)
            if command is None:
                raise UnknownCommand(f"no command {name!r:.80}: there are {', '.join(COMMANDS)}")
            if hub.participants.closed:
                raise Shutdown("the server is going down")
            participant: Participant = socket.data["participant"]
            participant.budget.charge(name, hub.clock())
            answer = command(hub, participant, request_of(args[1:]))
            if type(answer) is Draft:
                # Many may be under way, and share a commit: the socket's next command does not wait for this one.
                if participant.budget.under_way.has_place:
                    return self._submit(participant, name, answer, id)
                answer = self._submit_later(participant, name, answer, id)
        except Exception as error:  # noqa: BLE001 - told to its caller, logged where it is ours
            return self._refuse(socket, name, error, id)
        if not isinstance(answer, CoroutineType):
            return answer
        if name in READING:
            answer = self._read(participant, answer)
        return self._finish(socket, name, answer, id)

    def _submit(self, participant: Participant, name: str, draft: Draft, id: int | None) -> Any:
        """Hand an event to the log, which answers it."""
        size = size_of(draft)
        under_way = participant.budget.under_way
        under_way.begin(size)
        try:
            self._hub.log.submit(draft, partial(self._stored, participant, name, id, draft, size))
        except BaseException:
            under_way.end(size)
            raise
        return LATER

    async def _submit_later(self, participant: Participant, name: str, draft: Draft, id: int | None) -> Any:
        await participant.budget.under_way.place()
        return self._submit(participant, name, draft, id)

    @staticmethod
    async def _read(participant: Participant, command: Command) -> Reply | EncodedJSON:
        """Run a command that reads from the log, of which few of one principal run at once."""
        async with participant.budget.reads:
            return await command

    async def _finish(self, socket: Socket, name: str, command: Command, id: int | None) -> Any:
        try:
            return await command
        except Exception as error:  # noqa: BLE001 - told to its caller, logged where it is ours
            return self._refuse(socket, name, error, id)

    def _stored(
        self,
        participant: Participant,
        name: str,
        id: int | None,
        draft: Draft,
        size: int,
        outcome: Appended | Exception,
    ) -> None:
        """Answer an append."""
        participant.budget.under_way.end(size)
        socket = participant.socket
        if isinstance(outcome, Exception):
            error = self._without_head(participant, draft, outcome)
            socket.answer(id, self._refuse(socket, name, error, id))
            return
        self._hub.activity.published(participant)
        if id is not None:
            kept = b"" if self._hub.log.durable else b',"durable":false'
            duplicate = b"true" if outcome.duplicate else b"false"
            socket.answer(id, EncodedJSON(b'{"ok":true,"seq":%d,"duplicate":%b%b}' % (outcome.seq, duplicate, kept)))

    def _without_head(self, participant: Participant, draft: Draft, error: Exception) -> Exception:
        """Return an error of the log as a publisher may see it: only readers are told the head of a room."""
        if not isinstance(error, LogConflict) or self._hub.access.allows(participant.identity, "read", draft.room):
            return error
        return LogConflict(f"the head of room {draft.room!r} is not {draft.expect}")

    @staticmethod
    def _refuse(socket: Socket, name: Any, error: Exception, id: int | None) -> Reply | None:
        refused = command_error(error, str(name)[:80])
        if id is not None:
            return refusal(refused)
        socket.emit("$error", {"command": str(name)[:80], "code": refused.code, "message": refused.message})
        return None
