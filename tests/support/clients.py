"""Fixtures: real hubs in processes of their own, and clients of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt

_number = count(1)


@pytest.fixture(scope="session")
def shared_hub() -> Iterator[HubServer]:
    """A hub that many tests use, each in rooms of its own."""
    with HubServer() as server:
        yield server


@pytest.fixture
def hub_server(tmp_path: Path) -> Iterator[HubServer]:
    """A hub of one test, with a log on disk: it may be killed."""
    with HubServer(f"sqlite:///{tmp_path / 'log.sqlite3'}") as server:
        yield server


@pytest.fixture
def room_name() -> str:
    """The name of a room that no other test uses."""
    return f"room-{next(_number)}"


@pytest.fixture
def client() -> Iterator[Callable[..., rt.Client]]:
    """Makes connected clients, and closes them."""
    clients: list[rt.Client] = []

    def make(server: HubServer, **options: Any) -> rt.Client:
        clients.append(rt.Client(server.url, TOKEN, **options).connect())
        return clients[-1]

    yield make
    for one in clients:
        one.close()
