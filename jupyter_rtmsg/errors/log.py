"""The log cannot do what it was asked."""

from __future__ import annotations

from .base import RtmsgError


class LogError(RtmsgError):
    """The log cannot do what it was asked."""


class LogBusy(LogError):
    """Too many appends wait for the disk."""


class LogFull(LogError):
    """There is no room on the disk, or the user's quota there is used up."""


class LogDiskError(LogError):
    """The disk of the log fails, or went read-only: what was to be stored is refused until it works again."""


class LogConflict(LogError):
    """``expect`` did not match the head of the room."""


class LogIdConflict(LogError):
    """The id of an append belongs to another event of this publisher in the room."""


class LogClosed(LogError):
    """The log was closed."""


class EpochChanged(LogError):
    """The log was lost or replaced: positions of the old epoch mean nothing any more.

    Parameters
    ----------
    message : str
    position : int, optional
        Where to follow the new log from; without it, from its head.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position
