"""Clients that are not ours, against a real Jupyter server: what docs/wire.md promises to everyone."""

from __future__ import annotations

import getpass
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from support.jupyter import JupyterServer
from support.node_peer import NodePeer, node_connected
from support.socketio_peer import Peer, connected, refusal

AnyPeer = Peer | NodePeer
CLIENTS: dict[str, Callable[[JupyterServer], AbstractContextManager[Any]]] = {
    "socket.io-client": lambda server: node_connected(server, server.token),
    "python-socketio": lambda server: connected(server, auth={"token": server.token}),
}


@pytest.fixture(params=CLIENTS)
def peer(request: pytest.FixtureRequest, jupyter: JupyterServer) -> Iterator[AnyPeer]:
    with CLIENTS[request.param](jupyter) as peer:
        yield peer


@pytest.fixture
def room() -> str:
    return f"room-{uuid.uuid4().hex}"


@pytest.mark.parametrize(
    "data",
    [
        None,
        {"loss": 0.125, "names": ["Zoë", "日本"], "deep": {"er": [1, [2, {"three": None}]]}},
        b"\x00\xff" * 1000,
        {"image": b"\x89PNG\r\n", "thumbs": [b"", b"\x01"], "size": [1, 2]},
    ],
    ids=["nothing", "json", "bytes", "bytes inside"],
)
def test_it_joins_publishes_and_receives(peer: AnyPeer, room: str, data: Any) -> None:
    assert peer.command("join", room=room)["ok"]
    reply = peer.command("publish", room=room, event="metric", data=data)
    assert reply["ok"], reply
    event, (received, meta) = peer.take()  # and nothing behind them
    assert (event, received) == ("metric", data)
    assert (meta["room"], meta["seq"]) == (room, reply["seq"])
    assert meta["from"]["user"] == getpass.getuser()
    (stored,) = peer.command("history", room=room)["events"]
    assert (stored["event"], stored["data"], stored["seq"]) == ("metric", data, reply["seq"])


def test_half_an_emoji_costs_one_character_and_no_connection(jupyter: JupyterServer, room: str) -> None:
    with CLIENTS["socket.io-client"](jupyter) as script, CLIENTS["python-socketio"](jupyter) as python:
        for peer in (script, python):
            assert peer.command("join", room=room)["ok"]
        for speaker in (script, python):
            assert speaker.command("publish", room=room, event="typing", data="hello \ud83d")["ok"]
            for peer in (script, python):
                assert peer.take()[1][0] == "hello \ufffd"
        stored = script.command("history", room=room)["events"]
        assert [event["data"] for event in stored] == ["hello \ufffd"] * 2


def test_data_nested_too_deep_are_refused_without_closing_the_connection(peer: AnyPeer, room: str) -> None:
    deep: Any = b"attached"
    for _ in range(100):
        deep = [deep]
    assert peer.command("join", room=room)["ok"]
    assert peer.command("publish", room=room, event="tick", data=deep)["error"]["code"] == "too_deep"
    assert peer.command("publish", room=room, event="tick", data=1)["ok"]
    assert peer.take()[1][0] == 1


def test_two_implementations_hear_each_other(jupyter: JupyterServer, room: str) -> None:
    with CLIENTS["socket.io-client"](jupyter) as script, CLIENTS["python-socketio"](jupyter) as python:
        for peer in (script, python):
            assert peer.command("join", room=room)["ok"]
        script.command("publish", room=room, event="from", data={"who": "js", "raw": b"\x01\x02"})
        python.command("publish", room=room, event="from", data={"who": "py", "raw": b"\x03\x04"})
        for peer in (script, python):
            heard = [peer.take()[1][0] for _ in range(2)]
            assert heard == [{"who": "js", "raw": b"\x01\x02"}, {"who": "py", "raw": b"\x03\x04"}]


def test_it_catches_up_from_a_position(peer: AnyPeer, room: str) -> None:
    seqs = [peer.command("publish", room=room, event="tick", data=n)["seq"] for n in range(10)]
    epoch = peer.command("history", room=room)["epoch"]
    reply = peer.command("join", room=room, after=seqs[3], epoch=epoch)
    assert (reply["missed"], reply["recovered"]) == (6, True)
    peer.command("publish", room=room, event="tick", data=10)
    events = [peer.take()[1] for _ in range(7)]
    assert [data for data, *_ in events] == [4, 5, 6, 7, 8, 9, 10]
    assert [meta.get("replay", False) for _, meta, *_ in events] == [True] * 6 + [False]


def test_a_wrong_token_is_refused_with_a_code(jupyter: JupyterServer) -> None:
    script = NodePeer(jupyter, "wrong")
    try:
        refused = script.wait_for("refused")
    finally:
        script.close()
    assert refused == refusal(jupyter, auth={"token": "wrong"})
    assert refused["data"] == {"code": "unauthorized"}


def test_the_real_client_comes_back_by_itself_when_the_server_was_killed(tmp_path: Path, room: str) -> None:
    with JupyterServer(tmp_path) as server, node_connected(server, server.token) as script:
        seq = script.command("publish", room=room, event="tick", data="before")["seq"]
        epoch = script.command("history", room=room)["epoch"]
        server.kill()
        assert script.wait_for("disconnected") == "transport close"
        server.start()
        script.wait_for("connected")
        script.command("publish", room=room, event="tick", data="after")
        reply = script.command("join", room=room, after=seq, epoch=epoch)
        assert (reply["missed"], reply["recovered"]) == (1, True)
        assert script.take()[1][0] == "after"


def test_it_sends_and_fetches_an_event_in_parts(peer: AnyPeer, room: str) -> None:
    json, picture = b'{"picture":{"_placeholder":true,"num":0}}', bytes(range(256)) * 4_000
    payload, part = json + picture, 700_000
    parts = [payload[at : at + part] for at in range(0, len(payload), part)]
    assert peer.command("join", room=room)["ok"]
    for number, data in enumerate(parts):
        staged = {"upload": "u", "part": number, "of": len(parts), "size": len(payload), "data": data}
        assert peer.command("stage", room=room, **staged) == {"ok": True}
    reply = peer.command("publish", room=room, event="frame", parts="u", sizes=[len(json), len(picture)])
    event, (told, meta) = peer.take()
    assert (event, meta["seq"]) == ("frame", reply["seq"])
    assert meta["parts"] == {"count": 2, "size": len(payload)}
    assert told["$parts"] == {**meta["parts"], "sizes": [len(json), len(picture)], "crc": zlib.crc32(payload)}
    fetched = [peer.command("fetch", room=room, seq=reply["seq"], part=number)["data"] for number in range(2)]
    assert b"".join(fetched) == payload
    assert peer.command("fetch", room=room, seq=reply["seq"], part=2)["error"]["code"] == "gone"
