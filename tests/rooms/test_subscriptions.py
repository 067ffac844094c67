"""What a client sees of its user's subscriptions, and what it does when its notebook is renamed."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.jupyter import wait_until
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import NotJoined
from jupyter_rtmsg.hub import Claim, Hub, ProvenKernel
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.rooms.subscriptions import Subscription, Subscriptions
from jupyter_rtmsg.server import Server

Make = Callable[..., rt.Client]
NOON = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)


def test_ones_subscriptions_are_listed_and_forgotten(shared_hub: HubServer, room_name: str, client: Make) -> None:
    hub = client(shared_hub)
    room = hub.join(room_name, as_="reader")
    room.on("n", lambda event: None)
    seq = room.emit("n", 1)
    wait_until(lambda: room.lag == 0, "it is handled and acknowledged")
    room.leave()
    client(shared_hub).join(room_name, as_="other")
    found = {each.name: each for each in hub.subscriptions(room_name)}
    assert set(found) == {"reader", "other"}
    reader = found["reader"]
    assert (reader.room, reader.kind, reader.cursor, reader.head, reader.state) == (room_name, "name", seq, seq, "idle")
    assert found["other"].state == "in use"
    assert reader.ended is None
    assert reader.expires is not None
    assert reader.expires - reader.used == timedelta(days=30)
    assert abs(datetime.now(timezone.utc) - reader.used) < timedelta(minutes=5)
    hub.unsubscribe(room_name, "reader")
    assert [each.name for each in hub.subscriptions(room_name)] == ["other"]
    with pytest.raises(NotJoined, match="no subscription 'reader'"):
        hub.unsubscribe(room_name, "reader")


def entry(name: str, **fields: Any) -> Subscription:
    return Subscription("lab", name, "name", 3, 5, False, NOON, **fields)


def test_a_terminal_shows_a_table() -> None:
    table = repr(Subscriptions([entry("reader"), entry("a/long name.ipynb", ended=NOON)]))
    assert len(set(map(len, table.splitlines()))) <= 2
    lines = [line.split("  ")[:2] for line in table.splitlines()]
    assert [line[0].strip() for line in lines] == ["room", "lab", "lab"]
    assert "idle" in table
    assert "ended" in table
    assert "... and 20 more" in repr(Subscriptions([entry("x")] * 120))
    assert repr(Subscriptions()) == "No subscriptions."


def test_a_notebook_shows_a_table_with_escaped_texts() -> None:
    html = Subscriptions([entry("<script>alert(1)</script>")])._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert Subscriptions()._repr_html_() == "<p>No subscriptions.</p>"


class Ground:
    """A hub in this process, whose kernels all run one notebook."""

    def __init__(self, hub: Hub, url: str) -> None:
        self.hub = hub
        self.url = url
        self.notebook = "a/old.ipynb"

    async def prove(self, claim: Claim) -> ProvenKernel:
        return ProvenKernel(claim.kernel, self.notebook)

    def rename(self, new: str) -> None:
        old, self.notebook = self.notebook, new
        self.hub.rename(old, new, new)


@pytest.fixture
async def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ground]:
    path = tmp_path / "kernel-ab12-cd.json"
    path.write_text(json.dumps({"key": "the-key", "ip": "127.0.0.1"}))
    instance = SimpleNamespace(abs_connection_file=str(path))
    application = SimpleNamespace(initialized=lambda: True, instance=lambda: instance)
    monkeypatch.setattr("jupyter_rtmsg.rooms.hello.is_known", lambda address: True)
    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", SimpleNamespace(IPKernelApp=application))
    io, log = Server(), await open_log("memory:")
    hub = Hub(io, log)
    ground = Ground(hub, f"http://127.0.0.1:{await io.listen()}/")
    hub.core.prove = ground.prove
    await hub.start()
    yield ground
    await hub.close()
    await io.close()
    await log.close()


async def test_a_renamed_notebook_goes_on_acknowledging_under_its_new_name(ground: Ground) -> None:
    async with rt.AsyncClient(ground.url, TOKEN) as hub:
        lab, named, other = await hub.join("lab"), await hub.join("named", as_="mine"), await hub.join("other")
        heard: list[Any] = []
        lab.on("n", lambda event: heard.append(event.data))
        await lab.emit("n", 1)
        ground.rename("b/new.ipynb")
        await until(lambda: lab.subscription == "b/new.ipynb")
        assert (named.subscription, other.subscription) == ("mine", "b/new.ipynb")
        assert hub.hello is not None
        assert (hub.hello.notebook, hub.hello.name) == ("b/new.ipynb", "new")
        await lab.emit("n", 2)
        await until(lambda: (heard, lab.lag) == ([1, 2], 0))
        assert (await hub.join("lab")) is lab


async def test_a_connection_that_is_lost_during_a_rename_finds_its_place_again(ground: Ground) -> None:
    async with rt.AsyncClient(ground.url, TOKEN) as hub:
        lab = await hub.join("lab")
        lab.on("n", lambda event: None)
        await lab.emit("n", 1)
        await until(lambda: lab.lag == 0)
        for connection in list(ground.hub.core.participants):
            connection.socket.session.close()
        ground.rename("new.ipynb")
        await lab.emit("n", 2)
        await until(lambda: lab.lag == 0 and lab.subscription == "new.ipynb")
        assert [(each.name, each.cursor) for each in await hub.subscriptions()] == [("new.ipynb", 2)]


async def test_a_deleted_notebook_goes_on_until_it_leaves(ground: Ground) -> None:
    async with rt.AsyncClient(ground.url, TOKEN) as hub:
        lab = await hub.join("lab")
        lab.on("n", lambda event: None)
        ground.hub.delete(ground.notebook)
        await lab.emit("n", 1)
        await until(lambda: lab.lag == 0)
        (ended,) = await hub.subscriptions()
        assert (ended.state, ended.cursor) == ("ended", 1)
        await lab.leave()
        assert await (await hub.join("lab")).missed() == rt.Events()
