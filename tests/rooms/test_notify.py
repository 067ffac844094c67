"""`rt.notify` and `rt.watch_run` emit documented events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import pytest
from support.hub import TOKEN, HubServer
from support.jupyter import wait_until

import jupyter_rtmsg as rt
from jupyter_rtmsg.client import processes
from jupyter_rtmsg.errors import Disconnected, ServerNotFound, WrongCall
from jupyter_rtmsg.rooms import notify as module


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[rt.Client]:
    """The client that `rt.notify` uses, at a hub of its own."""
    with HubServer() as server:
        monkeypatch.setenv("RTMSG_URL", server.url)
        monkeypatch.setenv("RTMSG_TOKEN", TOKEN)
        yield rt.connect()
        processes.close_all()


def test_a_notice_reaches_the_room_of_notices_or_another(hub: rt.Client) -> None:
    assert rt.notify("the data are ready", "success").result(30)
    rt.notify("x" * 20_000, "error", "lab").result(30)
    lab = hub.join("other")
    rt.notify("here", room=lab).result(30)
    (event,) = hub.join("notices", first=True).history()
    assert (event.name, event.data) == ("notice", {"text": "the data are ready", "level": "success"})
    assert len(hub.join("lab").history()[0].data["text"]) == 10_000
    assert lab.history()[0].data == {"text": "here", "level": "info"}


def test_a_client_that_was_connected_by_its_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer() as server:
        hub = rt.connect(server.url, TOKEN)
        monkeypatch.setattr("jupyter_rtmsg.rooms.connect.find_server", _no_server)
        rt.notify("ready").result(30)
        assert [event.data["text"] for event in hub.join("notices", first=True).history()] == ["ready"]
        processes.close_all()
        with pytest.raises(ServerNotFound):
            rt.notify("ready")


def _no_server(url: str | None, token: str | None) -> NoReturn:
    raise ServerNotFound("no server")


def test_a_level_that_there_is_not_says_which_there_are(hub: rt.Client) -> None:
    with pytest.raises(WrongCall, match="info, success, warning, error"):
        rt.notify("x", "loud")


def test_a_run_tells_how_it_ended(hub: rt.Client) -> None:
    with rt.watch_run("train"):
        pass
    with pytest.raises(ZeroDivisionError), rt.watch_run("test", room="lab"):
        1 / 0  # noqa: B018
    notices = hub.join("notices", first=True)
    wait_until(lambda: len(notices.history()) == 1, "it was stored")
    (done,) = notices.history()
    assert (done.name, done.data["run"], done.data["seconds"] < 30, set(done.data)) == (
        "done", "train", True, {"run", "seconds"},
    )  # fmt: skip
    lab = hub.join("lab", first=True)
    wait_until(lambda: len(lab.history()) == 1, "it was stored")
    (failed,) = lab.history()
    assert (failed.name, failed.data["error"]) == (
        "failed", {"type": "ZeroDivisionError", "message": "division by zero"},
    )  # fmt: skip


def test_a_run_without_a_server_says_so_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> None:
        raise ServerNotFound("no server was found")

    monkeypatch.setattr(module, "found_or_latest", nowhere)
    ran = []
    with pytest.raises(ServerNotFound), rt.watch_run("train"):
        ran.append(1)
    assert ran == []


def test_what_cannot_be_told_takes_no_errors_place(hub: rt.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Disconnected("the client was closed")

    monkeypatch.setattr(module, "_emit", refuse)
    with pytest.raises(KeyError), rt.watch_run("train"):
        raise KeyError("mine")
