"""Each wrong use has a named error in the caller's cell; nothing is stored, and the connection lives on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.ports import free_port

import jupyter_rtmsg as rt
from jupyter_rtmsg import errors

_circular: list[Any] = []
_circular.append(_circular)
_deep: list[Any] = []
for _ in range(70):
    _deep = [_deep]


@pytest.fixture
def room(shared_hub: HubServer, room_name: str, client: Callable[..., rt.Client]) -> Iterator[rt.Room]:
    room = client(shared_hub).join(room_name)
    yield room
    assert len(room.history()) == 0
    assert room.emit("still alive")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (float("nan"), "nan is not JSON"),
        ({1, 2}, "set is neither JSON nor bytes"),
        (object(), "object is neither JSON nor bytes"),
        (_circular, "contains itself"),
        (_deep, "nested too deeply"),
        ({1: 2}, "keys of a dict must be str"),
        ("\ud800", "lone surrogate"),
    ],
)
def test_what_is_not_json(room: rt.Room, data: Any, said: str) -> None:
    with pytest.raises(errors.NotJSON, match=said) as caught:
        room.emit("n", data)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def test_what_is_too_large_names_both_sizes(room: rt.Room) -> None:
    with pytest.raises(errors.TooLarge, match=r"1,000,\d+ bytes.* 1,000,000"):
        room.emit("n", b"x" * 1_000_000)
    with pytest.raises(errors.TooLarge, match="1000000"):  # refused by the hub: there is no room for its envelope
        room.emit("n", "x" * 999_000)


@pytest.mark.parametrize("name", ["$mine", "connect", "disconnect"])
def test_names_that_belong_to_others(room: rt.Room, name: str) -> None:
    with pytest.raises(errors.ReservedEvent, match="belongs to"):
        room.emit(name)


@pytest.mark.parametrize("name", ["", "x" * 129, 7, None])
def test_names_that_are_none(room: rt.Room, name: Any) -> None:
    with pytest.raises(errors.BadEvent, match="name"):
        room.emit(name)


def test_too_many_attachments(room: rt.Room) -> None:
    with pytest.raises(errors.LimitExceeded, match="11 bytes objects"):
        room.emit("n", [b"x"] * 11)


@pytest.mark.parametrize("name", ["", "a b", ".a", "a/b", "x" * 129])
def test_bad_room_names(room: rt.Room, name: str) -> None:
    with pytest.raises(errors.BadRoom):
        room.client.join(name)
    with pytest.raises(errors.BadRoom):  # nothing is left behind of the first
        room.client.join(name)


def test_a_position_beyond_the_head(room: rt.Room) -> None:
    with pytest.raises(errors.CommandError):
        room.history(after=10**12)


def test_errors_show_no_internals(room: rt.Room) -> None:
    with pytest.raises(errors.BadRoom) as caught:
        room.client.join("a b")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert len(caught.traceback) <= 4


def test_a_wrong_token_is_refused_at_once_and_says_what_to_do(shared_hub: HubServer) -> None:
    with pytest.raises(errors.AccessDenied) as caught:
        rt.Client(shared_hub.url, "wrong").connect()
    message = str(caught.value)
    assert shared_hub.url in message
    assert "jupyter server list" in message
    assert "\n" not in message
    assert "wrong" not in message.replace("wrong token", "")


def test_a_server_that_is_not_there_is_unreachable_after_the_timeout() -> None:
    with pytest.raises(errors.ServerUnreachable, match=r"did not answer within 0.3 s.*[Cc]onnect"):
        rt.Client(f"http://127.0.0.1:{free_port()}/", timeout=0.3).connect()


def test_a_client_that_was_closed_says_so(shared_hub: HubServer, room_name: str) -> None:
    hub = rt.Client(shared_hub.url, TOKEN).connect()
    room = hub.join(room_name)
    hub.close()
    hub.close()
    assert hub.state == "closed"
    with pytest.raises(errors.Disconnected, match="closed"):
        hub.join(room_name)
    with pytest.raises(errors.NotJoined):
        room.emit("n")


def test_joining_as_somebody_else_is_an_error(room: rt.Room) -> None:
    with pytest.raises(ValueError, match="leave"):
        room.client.join(room.name, as_="other")
