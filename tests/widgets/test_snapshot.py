"""The static picture of a widget."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from IPython.utils.capture import capture_output
from nbconvert import HTMLExporter
from support.cells import Shell
from support.jupyter import wait_until

from jupyter_rtmsg import Client
from jupyter_rtmsg.widgets import RoomView, snapshot
from jupyter_rtmsg.widgets.snapshot import Snapshot, page

EVIL = "<img src=x onerror=alert(1)>\u202e"


class Handle:
    """An output of a cell."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, obj: Any, **options: Any) -> None:
        self.shown.append(obj._repr_html_())


def test_what_people_write_is_text() -> None:
    html = page(EVIL, [EVIL], ("data",), [(EVIL,), ("x" * 24_000,)])
    assert "<img" not in html
    assert "\u202e" not in html
    assert len(html) < 2_000


def test_it_is_replaced_when_it_is_old_and_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(snapshot.time, "monotonic", lambda: now[0])
    handle, drawn = Handle(), Snapshot(lambda: f"at {now[0]:g}")
    drawn.change()
    assert drawn.refresh() is None  # no cell shows it
    drawn.shown(handle)
    assert drawn.refresh() == snapshot.FIRST
    now[0] += snapshot.FIRST
    assert drawn.refresh() is None
    assert handle.shown == [f"at {now[0]:g}"]
    assert drawn.refresh() is None  # nothing has changed
    drawn.change()
    assert drawn.refresh() == snapshot.EVERY
    assert len(handle.shown) == 1


def test_a_saved_notebook_and_its_html_have_the_room_the_range_the_counts_and_the_last_rows(
    mine: Client, lab: str
) -> None:
    room = mine.join(lab)
    for number in range(7):
        room.emit("metric", number)
    view = RoomView(room)
    wait_until(lambda: len(view.buffer.recent().events) == 7, "they are shown")
    shell = Shell.begin()
    try:
        shell.user_ns["view"] = view
        with capture_output() as captured:
            shell.cell("view")
        outputs = [dict(output.data) for output in captured.outputs]
    finally:
        shell.end()
        view.close()
    widget, picture = outputs
    assert "application/vnd.jupyter.widget-view+json" in widget
    html = picture["text/html"]
    assert f"Room {lab}" in html
    assert "7 events, #1 to #7" in html
    assert "metric 7" in html
    assert html.count("<tr>") == 6
    cell = nbformat.v4.new_code_cell("view")
    cell.outputs = [nbformat.v4.new_output("display_data", data) for data in outputs]
    body, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert "7 events, #1 to #7" in body
