"""Real servers on real ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from support.pollclient import PollClient
from support.wsclient import RawClient

from jupyter_rtmsg.server import Server


class Served:
    """A server that listens, and its raw clients."""

    def __init__(self, io: Server, port: int) -> None:
        self.io = io
        self.port = port
        self._clients: list[RawClient] = []

    async def dial(self, **options: Any) -> RawClient:
        """Connect over TCP and say nothing."""
        return self._keep(await RawClient.dial(self.port, **options))

    async def open(self, **options: Any) -> RawClient:
        """Open a session."""
        return self._keep(await RawClient.open(self.port, **options))

    async def enter(self, namespace: str = "/", auth: Any = None, **options: Any) -> RawClient:
        """Open a session and connect to a namespace."""
        client = await self.open(**options)
        await client.enter(namespace, auth)
        return client

    def _keep(self, client: RawClient) -> RawClient:
        self._clients.append(client)
        return client

    async def close(self) -> None:
        """Drop the clients and close the server."""
        for client in self._clients:
            client.writer.close()
        await self.io.close(timeout=0.1)  # handlers that a test left waiting would take it all


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    """Return a function that starts a `Server` with options."""
    served: list[Served] = []

    async def start(**options: Any) -> Served:
        io = Server(**{"ping_interval": 600, **options})  # on a slow machine a ping would come between, else
        served.append(Served(io, await io.listen()))
        return served[-1]

    yield start
    for one in served:
        await one.close()


@pytest.fixture
def poll() -> Iterator[Callable[..., Awaitable[PollClient]]]:
    """Return a function that opens a session over polling with a server."""
    clients: list[PollClient] = []

    async def start(served: Any, **options: Any) -> PollClient:
        clients.append(await PollClient.open(served.port, **options))
        return clients[-1]

    yield start
    for client in clients:
        client.close()
