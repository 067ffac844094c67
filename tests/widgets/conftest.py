"""A hub, and two clients of it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from support.hub import TOKEN, HubServer

from jupyter_rtmsg import Client


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def lab() -> str:
    """Return the name of a room that nobody has used."""
    return f"lab-{uuid4().hex}"


@pytest.fixture
def mine(hub: HubServer) -> Iterator[Client]:
    """Return the client of the notebook with the view."""
    with Client(hub.url, TOKEN, name="mine") as client:
        yield client


@pytest.fixture
def other(hub: HubServer) -> Iterator[Client]:
    """Return somebody else's client."""
    with Client(hub.url, TOKEN, name="other") as client:
        yield client
