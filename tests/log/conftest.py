from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_rtmsg.log import EventLog, open_log

Opener = Callable[..., Awaitable[EventLog]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a SQLite log, in a directory that is yet to be made."""
    return tmp_path / "rtmsg" / "log.sqlite3"


@pytest.fixture
async def open_sqlite(path: Path) -> AsyncIterator[Opener]:
    """Opens the same file each time it is called; small ballast, since most tests do not fill a disk."""
    logs: list[EventLog] = []

    async def open_(**options: Any) -> EventLog:
        logs.append(await open_log(f"sqlite:///{path}", **{"ballast": 0, **options}))
        return logs[-1]

    yield open_
    for log in logs:
        await log.close()


@pytest.fixture(params=["sqlite", "memory"])
async def open_any(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Opener]:
    """Opens a log of either kind."""
    logs: list[EventLog] = []

    async def open_(**options: Any) -> EventLog:
        url = f"sqlite:///{path}" if request.param == "sqlite" else "memory:"
        logs.append(await open_log(url, **{"ballast": 0, **options}))
        return logs[-1]

    yield open_
    for log in logs:
        await log.close()


@pytest.fixture
async def log(open_any: Opener) -> EventLog:
    return await open_any()
