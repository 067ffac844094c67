"""An event as one line of a view: text only, and not too long."""

from __future__ import annotations

from typing import TypedDict

from jupyter_rtmsg.event import Event, Sender
from jupyter_rtmsg.invisible import escaped
from jupyter_rtmsg.rooms.history import data_text
from jupyter_rtmsg.rooms.names import Names, title

MAX_TEXT = 500


class Line(TypedDict):
    """What the browser is sent of an event.

    ``who`` is the sender's key in the view's `labels`. ``user`` stands apart from ``sender``, the name, so that however
    long the name is, the user is seen.
    """

    name: str
    data: str | None
    who: str
    sender: str
    user: str | None
    title: str
    ts: int
    seq: int | None
    replay: bool


def line(event: Event, names: Names) -> Line:
    """Make the line of an event."""
    sender = event.sender
    return {
        "name": escaped(event.name),
        "data": None if event.data is None else data_text(event.data, MAX_TEXT),
        "who": key(sender),
        "sender": names.name(sender),
        "user": names.user(sender),
        "title": title(sender),
        "ts": event.ts,
        "seq": event.seq,
        "replay": event.replay,
    }


def key(sender: Sender) -> str:
    """Return the key of a sender, under which a view finds it again when others make it be called otherwise."""
    return "\0".join((sender.member, sender.name, sender.notebook or ""))
