"""Each wrong use has a named error in the caller's cell; nothing is stored, and the connection lives on."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import datetime
import decimal
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
from support.cells import Shell
from support.hub import TOKEN, HubServer
from support.ports import free_port

import jupyter_rtmsg as rt
from jupyter_rtmsg import errors
from jupyter_rtmsg.rooms.async_room import AsyncRoom

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
def test_values_that_are_not_json(room: rt.Room, data: Any, said: str) -> None:
    with pytest.raises(errors.NotJSON, match=said) as caught:
        room.emit("n", data)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


@dataclasses.dataclass
class _Point:
    x: int


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (numpy.arange(3), "Send its tolist(), or its bytes with shape and dtype beside them"),
        (pandas.Series([1]), "Send its tolist()"),
        (pandas.DataFrame({"a": [1, 2], "b": [3, 4]}), "Send its to_dict('records')"),
        (pandas.Timestamp(0), "Send its isoformat()"),
        (pandas.NaT, "Send None"),
        (datetime.datetime(2026, 1, 1), "Send its isoformat()"),
        (datetime.timedelta(1), "Send its total_seconds()"),
        ({1}, "Send list() of it"),
        (iter({}.keys()).__class__, "Send its name"),
        (decimal.Decimal(1), "Send float() or str() of it"),
        (Path(), "Send str() of it"),
        (_Point(1), "Send dataclasses.asdict() of it"),
        ({1: "a"}, "Send {str(key): value for key, value in data.items()}"),
    ],
)
def test_the_error_of_a_plain_socket_for_a_value_that_is_not_json_names_a_value_to_send_instead(
    room: rt.Room, data: Any, said: str
) -> None:
    with pytest.raises(errors.NotJSON) as caught:
        room.client.socket.emit("n", data)
    assert str(caught.value).endswith(said)
    assert "\n" not in str(caught.value)


def test_the_error_for_a_large_event_names_both_sizes(room: rt.Room) -> None:
    with pytest.raises(errors.TooLarge, match=r"33,600,\d+ bytes; an event may have 33,554,432"):
        room.emit("n", b"x" * 33_600_000)
    for alone in ({"volatile": True}, {"retain": "key"}):
        with pytest.raises(errors.TooLarge, match=r"1,000,\d+ bytes.* 1,000,000"):
            room.emit("n", b"x" * 1_000_000, **alone)
    with pytest.raises(errors.TooLarge, match="1000000"):  # refused by the hub: there is no room for its envelope
        room.emit("n", "x" * 999_000, retain="key")


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


@pytest.mark.parametrize(("name", "good"), [("team 1", "team-1"), ("#lab", "lab"), (" a / b ", "a-b"), (".a.", "a")])
def test_the_error_for_an_invalid_room_name_suggests_a_valid_one(room: rt.Room, name: str, good: str) -> None:
    with pytest.raises(errors.BadRoom, match=f"Write {good!r}$"):
        room.client.join(name)
    assert room.client.join(good).name == good


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
    assert len(caught.traceback) == 2  # the caller's line, and the method that refuses


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


def test_joining_under_another_subscription_is_an_error(room: rt.Room) -> None:
    with pytest.raises(ValueError, match="leave"):
        room.client.join(room.name, as_="other")


# What people write who know python-socketio, or guess: the table has wrong calls, and what the errors say.
_PAGE = (Path(__file__).parents[2] / "docs" / "first-steps.md").read_text(encoding="utf-8")
WRONG = re.findall(r"^\| `(.+?)` \| `(.+?)` \|$", _PAGE.partition("| you write | it says |")[2], re.MULTILINE)


def test_the_page_has_the_calls_of_the_table() -> None:
    assert len(WRONG) > 40


@pytest.mark.parametrize(("code", "said"), WRONG)
def test_the_error_says_what_to_write(code: str, said: str, talk: dict[str, Any]) -> None:
    with pytest.raises((TypeError, AttributeError, errors.BadEvent)) as caught:
        eval(code, talk)
    assert said in str(caught.value)
    assert isinstance(caught.value, errors.RtmsgError)
    shell = caught.value._render_traceback_()  # type: ignore[attr-defined]
    assert len(shell) == 1
    assert "\n" not in shell[0]


@pytest.fixture(scope="module")
def talk(shared_hub: HubServer) -> Iterator[dict[str, Any]]:
    with rt.Client(shared_hub.url, TOKEN).connect() as hub:
        lab = hub.join("wrong-calls")
        receipt = lab.emit("metric", {"loss": 0.1}, wait=False)
        receipt.result()
        yield {"rt": rt, "hub": hub, "lab": lab, "event": lab.history()[0], "receipt": receipt}


@pytest.mark.parametrize(
    "function",
    [
        print,
        repr,
        str.upper,
        [].append,
        lambda event, more=1: None,
        type("T", (), {"__init__": lambda self, event: None}),
    ],
)
def test_any_callable_of_one_argument_is_a_handler(room: rt.Room, function: Any) -> None:
    assert room.on("n", function) is function


def test_a_type_error_of_ones_own_data_is_not_taken_for_a_wrong_call(room: rt.Room) -> None:
    class Odd(dict[str, int]):
        def items(self) -> Any:
            raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine$"):
        room.emit("n", Odd(a=1))


PROBE = "_ipython_canary_method_should_not_exist_"


def test_a_tool_that_probes_for_private_names_gets_a_plain_error(talk: dict[str, Any]) -> None:
    for one in (talk["hub"], talk["lab"], talk["event"], talk["receipt"]):
        with pytest.raises(AttributeError) as caught:
            getattr(one, PROBE)
        assert type(caught.value) is AttributeError


def test_events_are_copied_and_pickled_all_the_same(talk: dict[str, Any]) -> None:
    event = talk["event"]
    assert copy.deepcopy(event) == copy.copy(event) == pickle.loads(pickle.dumps(event)) == event


def test_awaited_methods_are_coroutine_functions_to_schedulers() -> None:
    for method in (rt.AsyncClient.connect, rt.AsyncClient.join, AsyncRoom.emit, AsyncRoom.history, AsyncRoom.leave):
        assert asyncio.iscoroutinefunction(method), method


async def test_a_forgotten_await_is_named(shared_hub: HubServer) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        joining = hub.join("awaited")
        with pytest.raises(
            errors.WrongName, match=r"join\(\) has to be awaited: write \(await \.\.\.join\(\.\.\.\)\)\.emit"
        ):
            joining.emit("m", 1)  # type: ignore[attr-defined]
        assert repr(joining) == "<join() has not been awaited: write await before it>"
        lab = await joining
        emitting = asyncio.create_task(lab.emit("metric", {"loss": 0.1}))  # a coroutine for asyncio all the same
        assert await emitting
        pending = lab.history()
        with pytest.raises(errors.WrongName, match=r"write \(await ...history\(...\)\)\.to_pandas"):
            pending.to_pandas()  # type: ignore[attr-defined]
        assert len(await asyncio.wait_for(pending, 20)) == 1
        with pytest.raises(errors.WrongName, match=r"then await lab\.emit"):
            hub.emit("m")  # type: ignore[attr-defined]
        with pytest.raises(errors.WrongCall, match=r"Write lab.emit\('metric', {'loss': 0.1}\)"):
            await lab.emit("metric", loss=0.1)  # type: ignore[call-overload]


def test_an_acknowledgement_that_did_not_come_prints_no_internals(hub_server: HubServer) -> None:
    hub = rt.Client(hub_server.url, TOKEN).connect()
    hub_server.freeze()
    shell = Shell.begin()
    try:
        shell.user_ns["hub"] = hub
        with pytest.raises(errors.AckTimeout) as caught:
            shell.cell("answer = hub.socket.timeout(0.05).emit_with_ack('rooms', {})")
    finally:
        shell.end()
        hub_server.thaw()
        hub.close()
    (said,) = caught.value._render_traceback_()
    assert said == (
        "AckTimeout: no answer to 'rooms' within 0.05 s: the server is slow, or has no handler that answers it (line 1)"
    )
