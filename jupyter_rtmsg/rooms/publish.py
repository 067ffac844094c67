"""Events as they leave: checked and encoded on the thread, and so in the cell, that emits them."""

from __future__ import annotations

from typing import Any

from jupyter_rtmsg.advice import short
from jupyter_rtmsg.errors import BadEvent, LimitExceeded, ReservedEvent
from jupyter_rtmsg.wire.data import dump, encode_json
from jupyter_rtmsg.wire.socketio import MAX_ATTACHMENTS, RESERVED_EVENTS

from .receipt import Receipt

_MAX_DEPTH = 60
_MAX_NAME = 128
_OVERHEAD = 32  # bytes of a packet's header


class Publish:
    """One event on its way, encoded but for the id of its ACK. The outbox owns it.

    Attributes
    ----------
    key : tuple of str
        Room and id; the hub stores one event per key.
    json : bytes
    attachments : tuple of bytes
    receipt : Receipt
    volatile : bool
    size : int
        Bytes of the message.
    sent : bool
        Whether it was sent over the present connection, and waits for its ACK.
    """

    __slots__ = ("attachments", "json", "key", "receipt", "sent", "size", "volatile")

    def __init__(
        self, room: str, json: bytes, attachments: tuple[bytes, ...], receipt: Receipt, volatile: bool
    ) -> None:
        self.key = room, receipt.id
        self.json = json
        self.attachments = attachments
        self.receipt = receipt
        self.volatile = volatile
        self.size = len(json) + sum(map(len, attachments)) + _OVERHEAD
        self.sent = False


def draft(
    room: str,
    event: str,
    data: Any,
    id: str,
    *,
    auto: bool = False,
    volatile: bool = False,
    expect: int | None = None,
) -> Publish:
    """Check and encode an event.

    Parameters
    ----------
    room, event : str
    data : object
        JSON, with bytes anywhere inside.
    id : str
    auto : bool
        Whether the client made the id, so that the hub compares it with ids of this client only.
    volatile : bool
    expect : int, optional
        The seq that the room's head must have.

    Raises
    ------
    NotJSON
        If the data contain other types than those of JSON and bytes, are nested too deeply, or contain themselves.
    BadEvent, ReservedEvent
        If the name may not be used.
    LimitExceeded
        If there are too many bytes objects.
    """
    _check_event(event)
    json, attachments = dump(data, max_depth=_MAX_DEPTH)
    if len(attachments) > MAX_ATTACHMENTS:
        raise LimitExceeded(f"{len(attachments)} bytes objects in one event; {MAX_ATTACHMENTS} are allowed")
    # The parts are joined as bytes, so that the data are encoded once, and their depth is that of the data alone.
    fields = [
        *(b'["publish",{"room":', encode_json(room), b',"event":', encode_json(event)),
        *(b',"id":', encode_json(id), b',"data":', json),
    ]
    if auto:
        fields.append(b',"auto":true')
    if volatile:
        fields.append(b',"volatile":true')
    if expect is not None:
        fields += [b',"expect":', encode_json(expect)]
    receipt = Receipt(id, f"{event!r} in room {room!r}")
    return Publish(room, b"".join([*fields, b"}]"]), attachments, receipt, volatile)


def _check_event(event: Any) -> None:
    if not isinstance(event, str):
        raise BadEvent(
            f"an event's name must be a str, not {type(event).__name__}: {short(event)}. "
            'Write the name first: emit("metric", {"loss": 0.1})'
        )
    if event.startswith("$") or event in RESERVED_EVENTS:
        owner = "the hub" if event.startswith("$") else "Socket.IO"
        raise ReservedEvent(f"the event name {event!r} belongs to {owner}: choose another")
    if not 1 <= len(event) <= _MAX_NAME:
        raise BadEvent(f"an event's name has 1 to {_MAX_NAME} characters, not {len(event)}")
