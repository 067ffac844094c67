"""From a record of the log to the packet that its room's members receive, by splicing: nothing is decoded."""

from __future__ import annotations

from functools import lru_cache

from jupyter_rtmsg.log.eventlog import Record
from jupyter_rtmsg.wire.data import encode_json
from jupyter_rtmsg.wire.socketio import EVENT, Encoded, header

_TEXT = header(EVENT)


@lru_cache(maxsize=4096)
def _json(text: str) -> bytes:
    return encode_json(text)


def encode_record(record: Record, offset: int, *, replay: bool = False) -> Encoded:
    """Encode an event for members.

    Parameters
    ----------
    record : Record
    offset : int
        The position that whoever received this has reached.
    replay : bool
        Mark it as read back rather than seen live. It has no offset then: other rooms are further already.

    Returns
    -------
    Encoded
        ``42["<event>",data,{"room","seq","prev","ts","from","id"?,"replay"?},"<offset>"?]`` (docs/wire.md).
    """
    start = header(EVENT, attachments=len(record.attachments)) if record.attachments else _TEXT
    place = b'null,"prev":null' if record.seq is None else b'%d,"prev":%d' % (record.seq, record.prev or 0)
    rest = b',"id":' + encode_json(record.id) if record.id is not None else b""
    end = b',"replay":true}]' if replay else b'},"%d"]' % offset
    return Encoded(
        b'%b[%b,%b,{"room":%b,"seq":%b,"ts":%d,"from":%b%b%b'
        % (start, _json(record.name), record.data, _json(record.room), place, record.ts, record.sender, rest, end),
        record.attachments,
    )
