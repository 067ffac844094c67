"""Errors of commands that the hub refused: one class for each code (docs/wire.md)."""

from __future__ import annotations

from typing import ClassVar

from .base import OneLine, RtmsgError


class CommandError(OneLine, RtmsgError):
    """The hub refused a command.

    Attributes
    ----------
    code : str
        Part of the API; docs/wire.md lists the codes.
    transient : bool
        Whether the same command may succeed later.
    """

    code: ClassVar[str] = "internal"
    transient: ClassVar[bool] = False

    @property
    def message(self) -> str:
        """The text of the error."""
        return str(self.args[0]) if self.args else self.code

    @staticmethod
    def of(code: str, message: str, retry: float = 0.0, head: int | None = None) -> CommandError:
        """Return the error for a code received over the wire. ``retry`` is in seconds."""
        if code == RateExceeded.code:
            return RateExceeded(message, retry)
        if code == Conflict.code:
            return Conflict(message, head)
        return COMMAND_ERRORS.get(code, Internal)(message)


class Unauthorized(CommandError):
    code = "unauthorized"


class Forbidden(CommandError):
    code = "forbidden"


class BadRequest(CommandError):
    code = "bad_request"


class UnknownCommand(CommandError):
    code = "unknown_command"


class BadRoom(CommandError):
    code = "bad_room"


class BadEvent(CommandError):
    code = "bad_event"


class ReservedEvent(CommandError):
    code = "reserved_event"


class TooLarge(CommandError):
    code = "too_large"


class TooDeep(CommandError):
    code = "too_deep"


class NotStaged(CommandError):
    code = "not_staged"


class Gone(CommandError):
    code = "gone"


class NotJoined(CommandError):
    code = "not_joined"


class EpochMismatch(CommandError):
    code = "epoch"


class Conflict(CommandError):
    code = "conflict"

    def __init__(self, message: str = "", head: int | None = None) -> None:
        super().__init__(message)
        self.head = head  # the seq that would have matched, if this user may read it


class IdConflict(CommandError):
    code = "id_conflict"


class Stale(CommandError):
    code = "stale"


class GroupConflict(CommandError):
    code = "group_conflict"


class LimitExceeded(CommandError):
    code = "limit"


class RateExceeded(CommandError):
    code = "rate"
    transient = True

    def __init__(self, message: str = "", retry: float = 0.0) -> None:
        super().__init__(message)
        self.retry = retry  # seconds after which the command may succeed; 0 if unknown


class Busy(CommandError):
    code = "busy"
    transient = True


class Full(CommandError):
    code = "full"
    transient = True


class DiskError(CommandError):
    code = "io"
    transient = True


class RoomFull(CommandError):
    code = "full_room"


class BadProof(CommandError):
    code = "bad_proof"


class Shutdown(CommandError):
    code = "shutdown"
    transient = True


class Internal(CommandError):
    code = "internal"
    transient = True


COMMAND_ERRORS: dict[str, type[CommandError]] = {error.code: error for error in CommandError.__subclasses__()}
