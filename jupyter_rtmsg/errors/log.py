"""Errors of the log, which refused an operation."""

from __future__ import annotations

from .base import RtmsgError


class LogError(RtmsgError):
    """The log refused an operation."""


class LogBusy(LogError):
    """Too many appends wait for the disk."""


class LogFull(LogError):
    """The disk is full, or the user's quota on it is used up."""


class LogDiskError(LogError):
    """The disk of the log fails or is read-only. Appends are refused until it works again."""


class LogConflict(LogError):
    """``expect`` did not match the head of the room, or with a key the seq of its value.

    Parameters
    ----------
    message : str
    head : int, optional
        The seq that would have matched.
    """

    def __init__(self, message: str, head: int | None = None) -> None:
        super().__init__(message)
        self.head = head


class LogIdConflict(LogError):
    """The id of an append belongs to another event of this publisher in the room."""


class LogRoomFull(LogError):
    """The room has as much as its policy allows, and the policy refuses more."""


class LogPartsMissing(LogError):
    """Parts of a large event are not in the log: they were given up, or the log was replaced."""


class LogLimit(LogError):
    """A room, or a user, would have more retained values than it may."""


class LogClosed(LogError):
    """The log was closed."""


class EpochChanged(LogError):
    """The log was lost or replaced. Positions of the old epoch are not valid any more.

    Parameters
    ----------
    message : str
    position : int, optional
        The position from which to follow the new log; by default its head.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position
