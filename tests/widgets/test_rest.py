"""An idle view of a room looks at nothing and says nothing."""

from __future__ import annotations

import asyncio

import pytest
from support.hub import TOKEN, HubServer
from support.rest import PING_INTERVAL, Beats
from support.views import Browser
from support.wsclient import until

from jupyter_rtmsg import Client
from jupyter_rtmsg.widgets import RoomView


async def test_an_idle_view_looks_at_nothing_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    flush = RoomView._flush

    def counted(view: RoomView) -> int:
        looks.append(flush(view))
        return looks[-1]

    monkeypatch.setattr(RoomView, "_flush", counted)
    with HubServer(ping_interval=PING_INTERVAL, ping_timeout=60) as hub, Client(hub.url, TOKEN) as client:
        view = RoomView(client.join("lab"))
        browser = Browser(view)
        browser.say(kind="recent")
        async with Beats.of(hub.port) as beats:
            await asyncio.to_thread(client.join("lab").emit, "n", 1)
            await until(lambda: "n" in browser.shown)
            await beats.pass_(15)  # presence comes within a second
            looks.clear()
            said = len(browser.stretches)
            await beats.pass_(15)
        assert looks == []
        assert len(browser.stretches) == said
        view.close()
