"""From an event of a socket to a command, and from its result or its exception to the acknowledgement."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from types import CoroutineType
from typing import Any, TypeAlias

import msgspec

from jupyter_rtmsg.errors import (
    Busy,
    CommandError,
    Conflict,
    DiskError,
    EpochChanged,
    EpochMismatch,
    Full,
    IdConflict,
    Internal,
    LimitExceeded,
    LogBusy,
    LogClosed,
    LogConflict,
    LogDiskError,
    LogError,
    LogFull,
    LogIdConflict,
    LogLimit,
    LogPartsMissing,
    LogRoomFull,
    NotStaged,
    RateExceeded,
    RoomFull,
    Shutdown,
    UnknownCommand,
)
from jupyter_rtmsg.log import Appended, Draft, size_of
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.server import LATER, Socket
from jupyter_rtmsg.wire.data import EncodedJSON

from .budget import READING
from .commands import COMMANDS
from .core import HubCore
from .request import Reply, WhenStored, request_of
from .room import Participant

logger = throttled_logger(__name__)

Running: TypeAlias = "Coroutine[Any, Any, Reply | EncodedJSON]"

_LOG_ERRORS: dict[type[BaseException], type[CommandError]] = {
    LogBusy: Busy,
    LogFull: Full,
    LogDiskError: DiskError,
    LogIdConflict: IdConflict,
    LogLimit: LimitExceeded,
    LogPartsMissing: NotStaged,
    LogRoomFull: RoomFull,
    LogClosed: Shutdown,
    EpochChanged: EpochMismatch,
}
"""The error that a client gets for an error of the log."""


class CommandRouter:
    """Routes the events of a namespace to commands. An error of one participant does not affect others.

    Parameters
    ----------
    hub : HubCore
    """

    __slots__ = ("_hub",)

    def __init__(self, hub: HubCore) -> None:
        self._hub = hub

    def route(self, socket: Socket, name: str, args: list[Any], id: int | None) -> Any:
        """Run the command that an event names; see `Namespace.route`."""
        hub = self._hub
        try:
            command = COMMANDS.get(name)
            if command is None:
                raise UnknownCommand(f"there is no command {name!r:.80}: the commands are {', '.join(COMMANDS)}")
            if hub.participants.closed:
                raise Shutdown("the server is shutting down")
            participant: Participant = socket.data["participant"]
            participant.budget.charge(name, hub.clock())
            answer = command(hub, participant, request_of(args[1:]))
            if type(answer) is Draft:
                # The socket's next command does not wait for this one, so many events can share one commit.
                if participant.budget.pending.has_capacity:
                    return self._submit(participant, name, answer, id)
                answer = self._submit_later(participant, name, answer, id)
        except Exception as error:  # noqa: BLE001 - answered; logged if it is unexpected
            return _refuse(socket, name, error, id)
        if type(answer) is WhenStored:
            answer.stored.add_done_callback(partial(self._changed, socket, name, id, answer.reply))
            return LATER
        if not isinstance(answer, CoroutineType):
            return answer
        if name in READING:
            answer = self._read(participant, answer)
        return self._finish(socket, name, answer, id)

    def _submit(self, participant: Participant, name: str, draft: Draft, id: int | None) -> Any:
        """Submit an event to the log. `SubmittedEvent` answers when it is committed."""
        size = size_of(draft)
        pending = participant.budget.pending
        pending.begin(size)
        try:
            self._hub.log.submit(draft, SubmittedEvent(self._hub, participant, name, id, draft, size))
        except BaseException as error:
            pending.end(size)
            _end_commit(self._hub, draft, LogError(f"{error}"))
            raise
        return LATER

    async def _submit_later(self, participant: Participant, name: str, draft: Draft, id: int | None) -> Any:
        try:
            await participant.budget.pending.wait()
        except BaseException as error:
            _end_commit(self._hub, draft, LogError(f"{error}"))
            raise
        return self._submit(participant, name, draft, id)

    @staticmethod
    async def _read(participant: Participant, command: Running) -> Reply | EncodedJSON:
        """Run a command that reads from the log: few of one principal run at once."""
        async with participant.budget.reads:
            return await command

    async def _finish(self, socket: Socket, name: str, command: Running, id: int | None) -> Any:
        try:
            return await command
        except Exception as error:  # noqa: BLE001 - answered; logged if it is unexpected
            return _refuse(socket, name, error, id)

    def _changed(self, socket: Socket, name: str, id: int | None, reply: Reply, stored: asyncio.Future[None]) -> None:
        """Answer a command when the log has stored or refused its change."""
        error = None if stored.cancelled() else stored.exception()
        socket.answer(id, _refuse(socket, name, error, id) if isinstance(error, Exception) else reply)


class SubmittedEvent(msgspec.Struct, frozen=True, gc=False):
    """The callback of an event that was submitted to the log: acknowledges it when the log has stored or refused it.

    There is one for each event in flight, so the garbage collector need not visit it: nothing refers back to it.
    """

    hub: HubCore
    participant: Participant
    name: str
    id: int | None
    draft: Draft
    size: int

    def __call__(self, outcome: Appended | Exception) -> None:
        """Acknowledge the event."""
        participant, id = self.participant, self.id
        participant.budget.pending.end(self.size)
        _end_commit(self.hub, self.draft, outcome)
        socket = participant.socket
        if isinstance(outcome, Exception):
            socket.answer(id, _refuse(socket, self.name, self._without_head(outcome), id))
            return
        self.hub.activity.published(participant)
        if id is not None:
            durable = b"" if self.hub.log.durable else b',"durable":false'
            duplicate = b"true" if outcome.duplicate else b"false"
            socket.answer(id, EncodedJSON(b'{"ok":true,"seq":%d,"duplicate":%b%b}' % (outcome.seq, duplicate, durable)))

    def _without_head(self, error: Exception) -> Exception:
        """Return an error of the log as a publisher may see it: only readers may learn the head of a room."""
        draft = self.draft
        if not isinstance(error, LogConflict):
            return error
        if self.hub.access.allows(self.participant.identity, "read", draft.room):
            return error
        what = f"the head of room {draft.room!r}" if draft.retain is None else f"the seq of the value {draft.retain!r}"
        return LogConflict(f"{what} is not {draft.expect}")


def _end_commit(hub: HubCore, draft: Draft, outcome: Appended | Exception) -> None:
    """Tell the outcome of an event to the upload that its parts are of."""
    if draft.parts is not None:
        hub.staging.end_commit(draft.parts, outcome)


def _refuse(socket: Socket, name: Any, error: Exception, id: int | None) -> Reply | None:
    """Return the reply for an error. If no acknowledgement was asked for, emit ``$error``."""
    refused = command_error(error, str(name)[:80])
    if id is not None:
        return error_reply(refused)
    socket.emit("$error", {"command": str(name)[:80], "code": refused.code, "message": refused.message})
    return None


def error_reply(error: CommandError) -> Reply:
    """Return the reply that tells an error: ``{"ok": false, "error": {"code", "message"}}``."""
    fields: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(error, RateExceeded):
        fields["retry"] = round(error.retry, 3)
    if isinstance(error, Conflict) and error.head is not None:
        fields["head"] = error.head
    return {"ok": False, "error": fields}


def command_error(error: BaseException, command: str) -> CommandError:
    """Return the error that the client gets. Unexpected exceptions are logged; the client gets no details of them."""
    if isinstance(error, CommandError):
        return error
    kind = _LOG_ERRORS.get(type(error))
    if isinstance(error, LogConflict):
        return Conflict(str(error), error.head)
    if kind is not None:
        return kind(str(error) or kind.code)
    if type(error) is not LogError:  # the log has logged these itself
        logger.error("the command %r failed", command, exc_info=error)
    return Internal(f"the hub failed at {command!r}; the reason is in the server's log")
