"""The mark beside a log: how far its file had come, told by another file.

A log's file cannot say that its own end is missing: an older copy of it, or one whose write-ahead log was lost, is a
good file. So after each commit, and before anybody hears of it, the number of commits is written to a small file beside
it, without a flush. After the death of the process the mark is exact; after a power loss it may be behind, since the
log was flushed and the mark was not. Where it is ahead of the file, commits are missing that were told of.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from jupyter_rtmsg.logthrottle import throttled_logger

from .paths import open_private

_MAGIC = b"RTMSMARK"
_NAMES = struct.Struct("<8s32s16sQ")  # magic, epoch, id of the opening, its number: the same for an opening's life
_COUNTS = struct.Struct("<QQ")  # commits, head
_CRC = struct.Struct("<I")
SIZE = _NAMES.size + _COUNTS.size + _CRC.size

log = throttled_logger(__name__)


class State(NamedTuple):
    """What a mark tells.

    Attributes
    ----------
    epoch : str
        The log's.
    number, id : int, str
        The opening's, see `Opening`.
    commits : int
        Transactions since the log was made.
    head : int
        The position of the last event.
    """

    epoch: str
    number: int
    id: str
    commits: int
    head: int


def mark_path(log_path: Path) -> Path:
    """Return where the mark of a log is."""
    return log_path.with_name(log_path.name + ".mark")


def read_mark(log_path: Path) -> State | None:
    """Return what the mark of a log tells; None if there is none, or none that can be read."""
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


def _decode(text: bytes) -> State | None:
    if len(text) != SIZE or _CRC.unpack(text[-_CRC.size :])[0] != zlib.crc32(text[: -_CRC.size]):
        return None
    magic, epoch, id, number = _NAMES.unpack_from(text)
    commits, head = _COUNTS.unpack_from(text, _NAMES.size)
    if magic != _MAGIC:
        return None
    return State(_text(epoch), number, _text(id), commits, head)


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode("ascii", "replace")


class Mark:
    """Writes the mark of a log that is open.

    A mark that can't be written is no reason to refuse events: it stays behind, and tells less.

    Parameters
    ----------
    log_path : Path
    epoch : str
    number, id : int, str
        Of the opening.
    """

    def __init__(self, log_path: Path, epoch: str, number: int, id: str) -> None:
        self._path = mark_path(log_path)
        self._names = _NAMES.pack(_MAGIC, epoch.encode(), id.encode(), number)
        self._crc = zlib.crc32(self._names)
        self._descriptor: int | None = None
        try:
            self._descriptor = open_private(self._path, os.O_WRONLY | os.O_CREAT)
            os.ftruncate(self._descriptor, SIZE)
        except OSError as error:
            self._give_up(error)

    def write(self, commits: int, head: int) -> None:
        """Tell how far the file has come."""
        if self._descriptor is None:
            return
        try:
            counts = _COUNTS.pack(commits, head)
            os.pwrite(self._descriptor, self._names + counts + _CRC.pack(zlib.crc32(counts, self._crc)), 0)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the mark's file, which stays."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _give_up(self, error: OSError) -> None:
        log.warning("the mark %s cannot be written (%s): a lost end of the log may go unnoticed", self._path, error)
        self.close()
