"""What the browser is sent of events and members: text only, and of limited length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from jupyter_rtmsg.event import Event, Sender
from jupyter_rtmsg.names import escaped
from jupyter_rtmsg.payloads.text import data_text
from jupyter_rtmsg.rooms.members import Member
from jupyter_rtmsg.rooms.names import Names, title

MAX_TEXT = 500
"""Characters of an event's data that are shown."""


class Line(TypedDict):
    """An event, as the browser is sent it.

    ``who`` is the sender's key in the view's `labels`. ``user`` is a field of its own beside ``sender``, so that
    a long name cannot hide it.
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


class Label(TypedDict):
    """A member, as the browser is sent it."""

    member: str
    label: str
    title: str
    state: str


def line(event: Event, names: Names) -> Line:
    """Return an event as one line."""
    sender = event.sender
    return {
        "name": escaped(event.name),
        "data": None if event.wire is None else data_text(event.wire, MAX_TEXT),
        "who": key(sender),
        "sender": names.name(sender),
        "user": names.user(sender),
        "title": title(sender),
        "ts": event.ts,
        "seq": event.seq,
        "replay": event.replay,
    }


def labels(members: Iterable[Member], names: Names) -> list[Label]:
    """Return the members with the names that tell them apart."""
    return [
        {"member": member.member, "label": names.of(member), "title": title(member), "state": member.state}
        for member in members
    ]


def key(sender: Sender) -> str:
    """Return the key of a sender: with it, a view finds the sender's lines when the name that is shown changes."""
    return "\0".join((sender.member, sender.name, sender.notebook or ""))
