from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.logs import Opener, opener, until

from jupyter_rtmsg.log import EventLog, open_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a SQLite log, in a directory that does not exist yet."""
    return tmp_path / "rtmsg" / "log.sqlite3"


@pytest.fixture
async def open_sqlite(path: Path) -> AsyncIterator[Opener]:
    """Opens the same file each time it is called."""
    async with opener(path) as open_:
        yield open_


@pytest.fixture(params=["sqlite", "memory", "moved"])
async def open_any(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Opener]:
    """Opens a log of each kind. A ``moved`` one began in memory, since another log had the file."""
    logs: list[EventLog] = []

    async def open_(**options: Any) -> EventLog:
        url = "memory:" if request.param == "memory" else f"sqlite:///{path}"
        options = {"ballast": 0, **options}
        holder = await open_log(url, **options) if request.param == "moved" else None
        logs.append(log := await open_log(url, **options))
        if holder:
            await holder.close()
            await until(lambda: log.durable)
        return log

    yield open_
    for log in logs:
        await log.close()


@pytest.fixture
async def log(open_any: Opener) -> EventLog:
    return await open_any()
