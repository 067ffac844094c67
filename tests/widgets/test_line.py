"""An event as one line of text."""

from __future__ import annotations

from typing import Any

from jupyter_rtmsg.event import Event, Sender
from jupyter_rtmsg.widgets.line import MAX_TEXT, line


def _event(data: Any = None) -> Event:
    return Event("lab", "tick", data, 1, 0, 5, Sender("alice", "kernel", "m1"))


def test_a_sender_is_called_by_name_where_it_is_known() -> None:
    assert line(_event(), {"m1": "train.ipynb"})["sender"] == "train.ipynb"
    assert line(_event(), {})["sender"] == "alice"


def test_no_data_is_told_from_data() -> None:
    assert line(_event(None), {})["data"] is None
    assert line(_event(""), {})["data"] == '""'


def test_a_line_is_short_however_much_data_there_is() -> None:
    assert len(line(_event("x" * 10**6), {})["data"] or "") == MAX_TEXT + 1
