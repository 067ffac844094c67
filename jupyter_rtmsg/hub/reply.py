"""What a command answers: ``{"ok": true, ...}`` or ``{"ok": false, "error": {"code", "message"}}``."""

from __future__ import annotations

from typing import Any

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
    LogBusy,
    LogClosed,
    LogConflict,
    LogDiskError,
    LogError,
    LogFull,
    LogIdConflict,
    RateExceeded,
    Shutdown,
)
from jupyter_rtmsg.logthrottle import throttled_logger

Reply = dict[str, Any]

logger = throttled_logger(__name__)

_OF_THE_LOG: dict[type[BaseException], type[CommandError]] = {
    LogBusy: Busy,
    LogFull: Full,
    LogDiskError: DiskError,
    LogConflict: Conflict,
    LogIdConflict: IdConflict,
    LogClosed: Shutdown,
    EpochChanged: EpochMismatch,
}


def refusal(error: CommandError) -> Reply:
    """Return the reply that tells of an error."""
    told: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(error, RateExceeded):
        told["retry"] = round(error.retry, 3)
    return {"ok": False, "error": told}


def command_error(error: BaseException, command: str) -> CommandError:
    """Return the error that a client is told of; what is the hub's own fault is logged, and told without its text."""
    if isinstance(error, CommandError):
        return error
    kind = _OF_THE_LOG.get(type(error))
    if kind is not None:
        return kind(str(error) or kind.code)
    if type(error) is LogError:  # which the log itself has logged
        return Internal(f"the hub failed at {command!r}; its log says why")
    logger.error("the command %r failed", command, exc_info=error)
    return Internal(f"the hub failed at {command!r}; its log says why")
