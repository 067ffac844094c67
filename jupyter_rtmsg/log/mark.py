"""The mark beside a log. It records how far the log's file had come, and so shows if the end of the file was lost.

The file of a log cannot tell that its own end is missing: an older copy of it, or one whose write-ahead log was lost,
is a valid file. So after each commit, and before anybody learns of it, the position of the last event and the number of
commits without events are written to a small file beside it, without a flush. After the death of the process the mark
is exact. After a power loss it may be behind, since the log was flushed and the mark was not. If it is ahead of the
file, commits that readers know of are missing.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from jupyter_rtmsg.logthrottle import throttled_logger

from .openings import Openings
from .paths import open_private

_MAGIC = b"RTMSMARK"
_NAMES = struct.Struct("<8s32s16sQ")  # magic, epoch, id and number of the opening: constant while it is open
_COUNTS = struct.Struct("<QQ")  # commits, head
_CRC = struct.Struct("<I")
SIZE = _NAMES.size + _COUNTS.size + _CRC.size

logger = throttled_logger(__name__)


class MarkState(NamedTuple):
    """The contents of a mark.

    Attributes
    ----------
    epoch : str
        The epoch of the log.
    number, id : int, str
        Those of its opening, see `Opening`.
    commits : int
        Number of transactions without events since the log was created. (Versions before 0.2 counted all of them, and
        left the count of their last transaction in the file.)
    head : int
        The position of the last event.
    """

    epoch: str
    number: int
    id: str
    commits: int
    head: int


class FileHistory(NamedTuple):
    """What a file had before this opening: its epoch (None: it was just created) and its count of commits."""

    epoch: str | None
    commits: int


def mark_path(log_path: Path) -> Path:
    """Return the path of a log's mark."""
    return log_path.with_name(log_path.name + ".mark")


def read_mark(log_path: Path) -> MarkState | None:
    """Return the mark of a log; None if there is none, or it cannot be read."""
    try:
        descriptor = open_private(mark_path(log_path), os.O_RDONLY)
    except OSError:
        return None
    try:
        text = os.pread(descriptor, SIZE + 1, 0)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return _decode(text)


def _decode(text: bytes) -> MarkState | None:
    if len(text) != SIZE or _CRC.unpack(text[-_CRC.size :])[0] != zlib.crc32(text[: -_CRC.size]):
        return None
    magic, epoch, id, number = _NAMES.unpack_from(text)
    commits, head = _COUNTS.unpack_from(text, _NAMES.size)
    if magic != _MAGIC:
        return None
    return MarkState(_text(epoch), number, _text(id), commits, head)


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode("ascii", "replace")


class Mark:
    """Writes the mark of an open log.

    If it cannot be written, events are stored all the same. It stays behind then, and a lost end may go unnoticed.

    Parameters
    ----------
    log_path : Path
    epoch : str
    number, id : int, str
        Those of the opening.
    """

    def __init__(self, log_path: Path, epoch: str, number: int, id: str) -> None:
        self._path = mark_path(log_path)
        self._names = _NAMES.pack(_MAGIC, epoch.encode(), id.encode(), number)
        self._crc = zlib.crc32(self._names)
        self._descriptor: int | None = None  # None once it is closed, or cannot be written
        try:
            self._descriptor = open_private(self._path, os.O_WRONLY | os.O_CREAT)
            os.ftruncate(self._descriptor, SIZE)
        except OSError as error:
            self._give_up(error)

    def write(self, commits: int, head: int) -> None:
        """Write how far the file has come."""
        if self._descriptor is None:
            return
        try:
            counts = _COUNTS.pack(commits, head)
            os.pwrite(self._descriptor, self._names + counts + _CRC.pack(zlib.crc32(counts, self._crc)), 0)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the file of the mark, and keep it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _give_up(self, error: OSError) -> None:
        logger.warning("the mark %s cannot be written (%s): a lost end of the log may go unnoticed", self._path, error)
        self.close()


def lost_events(mark: MarkState | None, before: FileHistory, openings: Openings, head: int) -> int | None:
    """Return the number of events that the mark has and the file has not; None if the file is not behind the mark.

    A mark of another epoch says nothing about this file.
    """
    if mark is None or before.epoch not in (None, mark.epoch):
        return None
    if before.epoch is None:
        return mark.head or None
    ahead = mark.commits > before.commits or mark.head > head or not openings.has(mark.number, mark.id)
    return max(mark.head - head, 0) if ahead else None


def rollback_warning(path: Path, lost: int | None, before: FileHistory, head: int) -> str | None:
    """Log a lost end, and return the text for users; None if nothing is lost."""
    if lost is None:
        return None
    what = f"The last {lost} events that were stored are gone" if lost else "The last changes are gone, but no event"
    if before.epoch is None:
        warning = f"The log {path} was removed or emptied. {what}; a new log was created, so history starts anew."
    else:
        warning = (
            f"The log {path} lost its end: its file is older than what was written to it, or its write-ahead log was "
            f"lost. {what}. It continues after position {head}, and readers who had seen more are told."
        )
    logger.error(warning)
    return warning
