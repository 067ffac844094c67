"""A capture takes what one request publishes, and emits it at a bounded rate."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from support.patience import eventually

from jupyter_rtmsg.errors import RtmsgError, WrongCall
from jupyter_rtmsg.magics import capture as module
from jupyter_rtmsg.magics.capture import Capture, Hook, Published, capture
from jupyter_rtmsg.magics.outputs import Message, Outputs

REQUEST = "1234-5678"


class Room:
    """Keeps what is emitted."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def post(self, room: str, event: str, data: Any = None) -> object:
        assert room == "lab"
        self.events.append((event, data))
        return None

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1][0] in ("done", "failed")

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return [output for event, data in self.events if event == "output" for output in data["outputs"]]

    @property
    def text(self) -> str:
        return "".join(output["text"] for output in self.outputs)


def published(kind: str, request: str = REQUEST, **content: Any) -> Published:
    return Published(
        json.dumps({"msg_type": kind}).encode(),
        json.dumps({"msg_id": request}).encode(),
        json.dumps(content).encode(),
    )


def text(characters: str, request: str = REQUEST) -> Published:
    return published("stream", request, name="stdout", text=characters)


IDLE = published("status", execution_state="idle")


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def taken(room: Room) -> Capture:
    one = Capture(REQUEST, "lab", "In [1]", room, lambda _: None)
    one.begin()
    return one


def test_text_of_one_stream_becomes_one_output_and_the_end_is_told(room: Room, taken: Capture) -> None:
    for character in "hello":
        taken.take(text(character))
    taken.take(IDLE)
    eventually(lambda: room.ended)
    assert room.text == "hello"
    assert len(room.events) <= 3
    assert room.events[-1][1]["run"] == "In [1]"


def test_other_cells_busy_states_and_what_comes_after_the_end_are_left_out(room: Room, taken: Capture) -> None:
    taken.take(text("theirs", "other"))
    taken.take(published("status", execution_state="busy"))
    taken.take(published("comm_msg", data={}))
    taken.take(text("mine"))
    taken.take(IDLE)
    taken.take(text("late"))
    eventually(lambda: room.ended)
    assert room.text == "mine"


def test_an_error_is_an_output_and_the_end_says_failed(room: Room, taken: Capture) -> None:
    taken.take(published("error", ename="ValueError", evalue="no", traceback=["..."]))
    taken.take(IDLE)
    eventually(lambda: room.ended)
    event, data = room.events[-1]
    assert (event, data["error"]) == ("failed", {"type": "ValueError", "message": "no"})
    assert room.outputs[0]["ename"] == "ValueError"


def test_what_is_too_much_or_too_large_is_counted_and_an_error_still_comes(
    room: Room, taken: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RATE", 1e12)
    monkeypatch.setattr(module, "_EVERY", 0.0)
    lock = taken._changed
    with lock:  # nothing can be sent while this is held
        taken.take(text("x" * 1_000_000))
        for _ in range(60):
            taken.take(text("y" * 100_000))
        taken.take(published("error", ename="E", evalue="e", traceback=["t" * 1_000]))
        taken.take(IDLE)
    eventually(lambda: room.ended)
    omitted = sum(data.get("omitted", 0) for event, data in room.events if event == "output")
    kept = [output for output in room.outputs if output["output_type"] == "stream"]
    assert sum(len(output["text"]) for output in kept) == (61 - omitted) * 100_000 <= 4_000_000
    assert room.events[-1][0] == "failed"
    assert all(len(json.dumps(data)) < 300_000 for _, data in room.events)


def test_a_megabyte_a_second_and_ten_events_a_second_are_sent(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from the times for which the capture waits."""
    waits: list[float] = []
    monkeypatch.setattr("jupyter_rtmsg.magics.capture.time.monotonic", lambda: 100.0)
    one = Capture(REQUEST, "lab", "In [1]", room, lambda _: None)
    for size in (500_000, 10, 150_000):
        one.take(text("x" * size))
    wait_for = one._changed.wait_for

    def counted(condition: Any, timeout: float | None = None) -> bool:
        if timeout is None:
            return wait_for(condition)
        waits.append(timeout)
        return True

    monkeypatch.setattr(one._changed, "wait_for", counted)
    one.take(IDLE)
    one._work()
    assert [round(wait, 1) for wait in waits] == [0.0, 0.5, 0.2]
    assert room.ended


def test_a_hub_that_refuses_does_not_disturb_the_cell(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(Room):
        def post(self, room: str, event: str, data: Any = None) -> object:
            super().post(room, event, data)
            raise RtmsgError("the room is full")

    room = Refusing()
    one = Capture(REQUEST, "lab", "In [1]", room, lambda _: None)
    one.begin()
    one.take(text("x"))
    one.take(IDLE)
    eventually(lambda: room.ended)
    eventually(lambda: "the room is full" in caplog.text)


class IOThread:
    """Stands for ipykernel's: keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send_multipart(self, parts: Any, *args: Any, **options: Any) -> None:
        self.sent.append(parts)


def test_the_hook_is_there_only_while_something_is_captured_and_sends_everything_on() -> None:
    thread, room = IOThread(), Room()
    hook = Hook(thread)
    one = Capture(REQUEST, "lab", "In [1]", room, hook.remove)
    hook.add(one)
    one.begin()
    thread.send_multipart([b"topic", b"no message"])
    for message in (text("x"), IDLE):
        thread.send_multipart(
            [b"topic", b"<IDS|MSG>", b"signature", message.header, message.parent, b"{}", message.content]
        )
    eventually(lambda: room.ended)
    assert room.text == "x"
    assert len(thread.sent) == 3
    assert "send_multipart" not in vars(thread)
    eventually(lambda: "rtmsg-capture-lab" not in [each.name for each in threading.enumerate()])


def test_outside_of_ipykernel_a_capture_says_what_it_needs() -> None:
    with pytest.raises(WrongCall, match="ipykernel"):
        capture(object(), Room(), "lab")


def test_outputs_are_those_of_a_notebook_file() -> None:
    def message(kind: str, content: Mapping[str, Any]) -> Message:
        return Message(kind, json.dumps(content).encode())

    outputs = Outputs()
    outputs.add(message("stream", {"name": "stdout", "text": "a"}))
    outputs.add(message("stream", {"name": "stdout", "text": "b"}))
    outputs.add(message("stream", {"name": "stderr", "text": "c"}))
    shown = {"data": {"text/plain": "x"}, "metadata": {}, "transient": {"display_id": "d"}}
    outputs.add(message("display_data", shown))
    outputs.add(message("clear_output", {"wait": True}))
    assert outputs.list == [
        {"output_type": "stream", "name": "stdout", "text": "ab"},
        {"output_type": "stream", "name": "stderr", "text": "c"},
        {"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": {}, "display_id": "d"},
        {"output_type": "clear_output", "wait": True},
    ]
