"""From an event's data, as it was decoded from a packet, to the JSON that the log keeps."""

from __future__ import annotations

from itertools import chain
from typing import Any

from jupyter_rtmsg.errors import BadRequest, LimitExceeded, NotJSON, TooDeep
from jupyter_rtmsg.wire.data import SHALLOW, EncodedJSON, dump, encode_json, is_shallow

_CONTAINERS = frozenset({list, dict})
_SCALARS = frozenset({str, int, float, bool, type(None)})
_BINARY = frozenset({bytes, bytearray, memoryview})
_MARK = "_placeholder"
_MARK_IN_JSON = encode_json(_MARK)


def encode_data(value: Any, *, max_depth: int, max_attachments: int) -> tuple[bytes, tuple[bytes, ...]]:
    """Encode data that came off the wire.

    Returns
    -------
    json : bytes
        UTF-8, with placeholders for bytes.
    attachments : tuple of bytes

    Raises
    ------
    TooDeep, LimitExceeded, BadRequest
    """
    kind = type(value)
    if kind is EncodedJSON:  # it was looked at when its packet was decoded
        return value.json, ()
    if kind in _SCALARS or (kind is dict and _SCALARS.issuperset(map(type, value.values())) and _MARK not in value):
        return encode_json(value), ()  # nearly all there is
    if max_depth >= SHALLOW and is_shallow(value):
        json = encode_json(value)
        if _MARK_IN_JSON not in json:
            return json, ()  # msgspec escapes no letter, so that the mark has only this spelling
    if not _holds_bytes(value, max_depth):
        return encode_json(value), ()
    try:
        json, attachments = dump(value)
    except NotJSON as error:
        raise BadRequest(str(error)) from None
    if len(attachments) > max_attachments:
        raise LimitExceeded(f"{len(attachments)} attachments, more than the {max_attachments} that an event may have")
    return json, attachments


def _holds_bytes(value: Any, max_depth: int) -> bool:
    """Look at a value level by level, since a visit of each item of a large array would hold up everybody else."""
    kinds = {type(value)}
    level = [value]
    binary = False
    depth = 0
    while True:
        bytes_here = not kinds.isdisjoint(_BINARY)
        binary = binary or bytes_here
        containers = not kinds.isdisjoint(_CONTAINERS)
        if (containers or bytes_here) and depth >= max_depth:  # a placeholder is a level too
            raise TooDeep(f"the data is nested more than {max_depth} levels deep")
        if not containers:
            return binary
        depth += 1
        lists = [item for item in level if type(item) is list] if list in kinds else []
        dicts = [item for item in level if type(item) is dict] if dict in kinds else []
        if any(_MARK in item for item in dicts):
            raise BadRequest(f"the key {_MARK!r} is Socket.IO's own mark for binary data")
        level = list(chain(chain.from_iterable(lists), chain.from_iterable(map(dict.values, dicts))))
        kinds = set(map(type, level))
