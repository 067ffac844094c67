from __future__ import annotations

import pytest

from jupyter_rtmsg.errors import BadEvent, BadRoom, ReservedEvent
from jupyter_rtmsg.hub.names import event_name, room_name


@pytest.mark.parametrize("name", ["lab", "course.week1", "a", "x" * 128, "_~-", "数据", "données", "हिन्दी", "R2-D2"])
def test_letters_and_digits_of_any_script_and_inner_dots_make_a_room(name: str) -> None:
    assert room_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "x" * 129, ".lab", "lab.", ".", "a b", "a/b", "a\nb", "lab?", "$lab", "donne\u0301es", "😀"]
)
def test_any_other_name_is_no_room(name: str) -> None:
    with pytest.raises(BadRoom):
        room_name(name)


@pytest.mark.parametrize("name", ["tick", "a b", "x" * 128, "message", "error", "connection", "数", "9"])
def test_nearly_any_string_is_an_event(name: str) -> None:
    assert event_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 129])
def test_an_event_has_1_to_128_characters(name: str) -> None:
    with pytest.raises(BadEvent, match=str(len(name))):
        event_name(name)


@pytest.mark.parametrize(
    "name", ["$", "$reset", "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]
)
def test_the_names_of_the_hub_and_of_socket_io_are_reserved(name: str) -> None:
    with pytest.raises(ReservedEvent):
        event_name(name)
