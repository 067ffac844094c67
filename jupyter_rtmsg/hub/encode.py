"""Encodes records of the log for members. Data are spliced in as they are; on a page, attachments are renumbered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jupyter_rtmsg.log import DeadLetter, Record
from jupyter_rtmsg.wire.data import EncodedJSON, dump, encode_json, load, reconstruct, renumbered
from jupyter_rtmsg.wire.socketio import EVENT, Encoded, encode_event, header

_TEXT = header(EVENT)


@lru_cache(maxsize=16_384)
def _json(text: str) -> bytes:
    return encode_json(text)


def _position(record: Record) -> bytes:
    if record.seq is None:
        return b'null,"prev":null,"n":null'
    return b'%d,"prev":%d,"n":%d' % (record.seq, record.prev or 0, record.n or 0)


def _id(record: Record) -> bytes:
    return b',"id":' + encode_json(record.id) if record.id is not None else b""


def _key(record: Record) -> bytes:
    return b',"key":' + _json(record.key) if record.key is not None else b""


def _parts(record: Record) -> bytes:
    parts = record.parts
    return b',"parts":{"count":%d,"size":%d}' % (parts.count, parts.size) if parts is not None else b""


def encode_record(record: Record, *, replay: bool = False, retained: bool = False) -> Encoded:
    """Encode an event for members.

    Parameters
    ----------
    record : Record
    replay : bool
        Whether to mark it as a replay.
    retained : bool
        Whether to mark it as a retained value.

    Returns
    -------
    Encoded
        ``42["<event>",data,{"room","seq","prev","n","ts","from","id"?,"key"?,"parts"?,"replay"?,"retained"?}]``
        (docs/wire.md).
    """
    start = header(EVENT, attachments=len(record.attachments)) if record.attachments else _TEXT
    position, rest = _position(record), _id(record) + _key(record) + _parts(record)
    end = b',"replay":true}]' if replay else b',"retained":true}]' if retained else b"}]"
    return Encoded(
        b'%b[%b,%b,{"room":%b,"seq":%b,"ts":%d,"from":%b%b%b'
        % (start, _json(record.name), record.data, _json(record.room), position, record.ts, record.sender, rest, end),
        record.attachments,
    )


def encode_notice(record: Record) -> Encoded:
    """Encode an announcement of the log itself for members, such as ``$expired``."""
    return Encoded(b"%b[%b,%b]" % (_TEXT, _json(record.name), record.data), ())


def encode_work(record: Record, group: str, attempt: int, deliveries: int, rest: Mapping[str, Any]) -> Encoded:
    """Encode a delivery to a worker of a group.

    Parameters
    ----------
    record : Record
        The stored event.
    group : str
    attempt, deliveries : int
    rest : mapping
        Further fields of ``meta``; usually none.

    Returns
    -------
    Encoded
        ``42["$work",data,{"room","seq","prev","n","ts","from","id"?,"event","group","attempt",...}]`` (docs/wire.md).
    """
    start = header(EVENT, attachments=len(record.attachments)) if record.attachments else _TEXT
    end = b"," + encode_json(rest)[1:] if rest else b"}"
    return Encoded(
        b'%b["$work",%b,{"room":%b,"seq":%b,"ts":%d,"from":%b%b,"event":%b,"group":%b,"attempt":%d,"deliveries":%d%b]'
        % (start, record.data, _json(record.room), _position(record), record.ts, record.sender, _id(record),
           _json(record.name), _json(group), attempt, deliveries, _parts(record) + end),
        record.attachments,
    )  # fmt: skip


def encode_work_entry(record: Record, attempt: int, deliveries: int, rest: Mapping[str, Any], *, sender: bool) -> bytes:
    """Encode a delivery as an entry of `encode_work_batch`.

    Parameters
    ----------
    record : Record
        The stored event, without attachments.
    attempt, deliveries : int
        Left out if they are 1.
    rest : mapping
        Further fields of ``meta``; usually none.
    sender : bool
        Whether to tell the sender: it is left out if it is that of the entry before.

    Returns
    -------
    bytes
        ``["<event>",data,{"seq","prev","n","ts","from"?,"id"?,"parts"?,"attempt"?,"deliveries"?,...}]``
        (docs/wire.md).
    """
    end = _parts(record)
    if sender:
        end += b',"from":' + record.sender
    if attempt != 1 or deliveries != 1 or rest:
        end += b"," + encode_json({"attempt": attempt, "deliveries": deliveries, **rest})[1:-1]
    return b'[%b,%b,{"seq":%d,"prev":%d,"n":%d,"ts":%d%b%b}]' % (
        _json(record.name), record.data, record.seq or 0, record.prev or 0, record.n or 0, record.ts, _id(record), end
    )  # fmt: skip


def encode_work_batch(room: str, group: str, entries: Sequence[bytes]) -> Encoded:
    """Encode several deliveries to one worker as ``42["$work",[entry...],{"room","group","count"}]`` (docs/wire.md)."""
    meta = b'{"room":%b,"group":%b,"count":%d}' % (_json(room), _json(group), len(entries))
    return Encoded(b'%b["$work",[%b],%b]' % (_TEXT, b",".join(entries), meta), ())


def encode_trimmed(room: str, numbers: range, through: int) -> Encoded:
    """Encode ``$trimmed``, which tells that events are gone.

    Parameters
    ----------
    room : str
    numbers : range
        The numbers of the events that are gone.
    through : int
        The position up to which the room has no others.
    """
    gone = {"room": room, "count": len(numbers), "first": numbers.start, "last": numbers.stop - 1, "through": through}
    return encode_event(["$trimmed", gone])


def _numbered(record: Record, before: tuple[bytes, ...]) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the data of an event with placeholders that count from ``before`` on, and all attachments up to it."""
    json = renumbered(record.data, len(record.attachments), len(before))
    if json is not None:
        return json, (*before, *record.attachments)
    return dump(reconstruct(load(record.data), record.attachments), after=before)


def encode_page(records: Iterable[Record], attachments: tuple[bytes, ...] = ()) -> EncodedJSON:
    """Encode the stored events of a page of history. ``attachments`` stand before them in the packet.

    Returns
    -------
    EncodedJSON
        The list of them, each ``{"event","data","seq","prev","n","ts","from","id"?,"key"?,"parts"?}`` (docs/wire.md).
        Its depth is not checked: it was when each event was published.
    """
    events: list[bytes] = []
    for record in records:
        data = record.data
        if record.attachments:
            data, attachments = _numbered(record, attachments)
        events.append(
            b'{"event":%b,"data":%b,"seq":%b,"ts":%d,"from":%b%b%b%b}'
            % (
                _json(record.name),
                data,
                _position(record),
                record.ts,
                record.sender,
                _id(record),
                _key(record),
                _parts(record),
            )
        )
    return EncodedJSON(b"[%b]" % b",".join(events), attachments)


def encode_letters(letters: Iterable[DeadLetter]) -> EncodedJSON:
    """Encode dead letters of a worker group.

    Returns
    -------
    EncodedJSON
        The list of them, each an event as on a page of history with ``number``, ``reason`` and so on (docs/wire.md).
    """
    encoded: list[bytes] = []
    attachments: tuple[bytes, ...] = ()
    for letter in letters:
        page = encode_page([letter.record], attachments)
        attachments = tuple(page.attachments)
        told = {
            "number": letter.number,
            "reason": letter.reason,
            "message": letter.message,
            "worker": letter.worker,
            "deliveries": letter.deliveries,
            "first": letter.first,
            "last": letter.last,
        }
        if letter.error is not None:
            error = letter.error
            told["error"] = {"type": error.type, "message": error.message, "traceback": error.traceback}
        encoded.append(page.json[1:-2] + b"," + encode_json(told)[1:])
    return EncodedJSON(b"[%b]" % b",".join(encoded), attachments)
