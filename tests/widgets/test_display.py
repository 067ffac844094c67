"""An event as one line of text."""

from __future__ import annotations

from typing import Any

from jupyter_rtmsg.event import Event, Sender
from jupyter_rtmsg.rooms.names import Names
from jupyter_rtmsg.widgets.display import MAX_TEXT, line


def _event(data: Any = None) -> Event:
    return Event("lab", "tick", data, 1, 0, 5, Sender("alice", "kernel", "train", "m1"))


def test_a_sender_is_called_as_everywhere() -> None:
    assert (line(_event(), Names())["sender"], line(_event(), Names())["user"]) == ("train", "alice")
    assert line(_event(), Names("alice"))["user"] == "you"


def test_no_data_is_told_from_data() -> None:
    assert line(_event(None), Names())["data"] is None
    assert line(_event(""), Names())["data"] == '""'


def test_a_line_is_short_however_much_data_there_is() -> None:
    assert len(line(_event("x" * 10**6), Names())["data"] or "") == MAX_TEXT + 1
