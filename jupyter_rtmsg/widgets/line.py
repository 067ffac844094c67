"""An event as one line of a view: text only, and not too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from jupyter_rtmsg.client.text import data_text
from jupyter_rtmsg.event import Event

MAX_TEXT = 500


class Line(TypedDict):
    """What the browser is sent of an event."""

    name: str
    data: str | None
    sender: str
    member: str
    ts: int
    seq: int | None
    replay: bool


def line(event: Event, names: Mapping[str, str]) -> Line:
    """Make the line of an event.

    Parameters
    ----------
    event : Event
    names : mapping
        From member ids to what people are called.
    """
    return {
        "name": event.name,
        "data": None if event.data is None else data_text(event.data, MAX_TEXT),
        "sender": names.get(event.sender.member, event.sender.user),
        "member": event.sender.member,
        "ts": event.ts,
        "seq": event.seq,
        "replay": event.replay,
    }
