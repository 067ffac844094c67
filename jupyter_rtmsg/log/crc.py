"""The checksums of rows. SQLite itself notices few flipped bits.

A checksum covers every column of its row, and for an event also the name of its room and its attachments. The lengths
of the texts come first, so that characters cannot move from one field to the next.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

_numbers = struct.Struct("<10q").pack
_length = struct.Struct("<q").pack
_state = struct.Struct("<2q").pack

_SHORT = 1_024  # bytes

NEVER = -1
"""A checksum that no row has."""


def event_crc(
    seq: int,
    prev: int,
    ts: int,
    n: int,
    room: str,
    name: str,
    user: str,
    event_id: str | None,
    sender: bytes,
    data: bytes,
    attachments: Sequence[bytes] = (),
    key: str | None = None,
    expires: int = 0,
    parts: int = 0,
) -> int:
    """Return the crc32 of an event. Formats before 4 knew neither ``key`` nor ``expires``, and 5 knows ``parts``.

    Raises
    ------
    ValueError, TypeError, struct.error
        If a text has a lone surrogate, or something is of another type.
    """
    id_length = -1 if event_id is None else len(event_id)
    head = _numbers(seq, prev, ts, n, len(room), len(name), len(user), id_length, len(sender), len(data))
    texts = f"{room}{name}{user}{event_id}".encode()
    if len(data) < _SHORT:  # joining short texts is faster than another crc32 call
        crc = zlib.crc32(b"".join((head, texts, sender, data)))
    else:
        crc = zlib.crc32(data, zlib.crc32(head + texts + sender))
    for part in attachments:
        crc = zlib.crc32(part, zlib.crc32(_length(len(part)), crc))
    # A damaged column may hold NULL or b"" for 0, and a number for NULL: such values are covered, too.
    if key is not None or expires != 0:
        text = b"" if key is None else f"{key}".encode()
        crc = zlib.crc32(text, zlib.crc32(_state(expires, key is None), crc))
    return zlib.crc32(_length(parts), crc) if parts else crc


def event_crc_of_2(
    name: str, user: str, event_id: str | None, sender: bytes, data: bytes, attachments: Sequence[bytes] = ()
) -> int:
    """Return the crc32 of an event in formats 1 and 2. Rows up to ``crc_since`` (table ``meta``) keep it."""
    crc = zlib.crc32(data, zlib.crc32(sender, zlib.crc32("\0".join((name, user, event_id or "")).encode())))
    for part in attachments:
        crc = zlib.crc32(part, crc)
    return crc


def deletion_crc(key: int, since: int) -> int:
    """Return the crc32 of a room's deletion."""
    return zlib.crc32(f"{key},{since}".encode())


def part_crc(key: int, number: int, data: bytes) -> int:
    """Return the crc32 of a part of an event."""
    return zlib.crc32(data, zlib.crc32(_state(key, number)))


def room_crc(key: int, name: str, head: int, n: int, maker: str, used: int) -> int:
    """Return the crc32 of a room's row."""
    return zlib.crc32(f"{key:d},{head:d},{n:d},{used:d},{len(name)},{name}{maker}".encode("utf-8", "surrogatepass"))
