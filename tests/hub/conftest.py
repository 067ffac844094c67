"""Real hubs on real servers and logs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.members import Member

from jupyter_rtmsg.hub import Access, Hub, Limits
from jupyter_rtmsg.log import EventLog, open_log
from jupyter_rtmsg.server import Server, Socket


def take_user(socket: Socket) -> None:
    """Middleware: take the user that the client claims to be."""
    socket.user = socket.auth.get("user")


class Running:
    """A hub, its server and log, and its members."""

    def __init__(self, io: Server, hub: Hub, log: EventLog, port: int) -> None:
        self.io = io
        self.hub = hub
        self.log = log
        self.port = port
        self._members: list[Member] = []

    async def connect(self, **auth: Any) -> Member:
        """Connect a member; ``auth`` is the object of its CONNECT."""
        member = await Member.connect(self.port, **auth)
        self._members.append(member)
        return member

    async def joined(self, room: str = "lab", *, fields: dict[str, Any] | None = None, **auth: Any) -> Member:
        """Connect a member that joins a room."""
        member = await self.connect(**auth)
        await member.join(room, **(fields or {}))
        return member

    def end_grace(self) -> None:
        """Have the grace times be over that members have now, and those after the hub's start."""
        for timer in [*self.hub.core.presence._away.values(), *self.hub.core.wills._timers]:
            timer._run()
            timer.cancel()

    async def close(self) -> None:
        for member in self._members:
            await member.close()
        await self.hub.close()
        await self.io.close()
        await self.log.close()


Starter = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start() -> AsyncIterator[Starter]:
    """Start a hub: over a log in memory unless ``url`` says otherwise."""
    running: list[Running] = []

    async def start_(
        *,
        url: str = "memory:",
        access: Access | None = None,
        options: dict[str, Any] | None = None,
        server: dict[str, Any] | None = None,
        clock: Callable[[], float] | None = None,
        prepare: Callable[[EventLog], None] = lambda log: None,
        **limits: Any,
    ) -> Running:
        io = Server(**(server or {}))
        io.use(take_user)
        log = await open_log(url, **{"ballast": 0, **(options or {})})
        prepare(log)
        rest = {} if clock is None else {"clock": clock}
        hub = Hub(io, log, access=access, limits=Limits(**limits), **rest)
        await hub.start()
        running.append(Running(io, hub, log, await io.listen()))
        return running[-1]

    yield start_
    for one in running:
        await one.close()


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a log of either kind."""
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/log.sqlite3"


@pytest.fixture
async def hub(start: Starter, url: str) -> Running:
    """A hub over a log of either kind."""
    return await start(url=url)
