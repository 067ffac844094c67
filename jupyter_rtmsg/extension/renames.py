"""Follows the renames of notebooks and directories, so that a notebook keeps its subscriptions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_events import EventLogger
from jupyter_server.serverapp import ServerApp

CONTENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"
LIMIT = 10_000
"""So many entries of a renamed directory are looked at."""

Rename = Callable[[str, str], Awaitable[None]]


class Renames:
    """Tells the hub of every notebook that was renamed or moved through Jupyter.

    Parameters
    ----------
    serverapp : ServerApp
    rename : callable
        ``rename(old path, new path)``, both relative to the server's root.
    """

    def __init__(self, serverapp: ServerApp, rename: Rename) -> None:
        self._serverapp = serverapp
        self._rename = rename

    def start(self) -> None:
        """Listen to the contents service."""
        if logger := self._serverapp.event_logger:
            logger.add_listener(schema_id=CONTENTS, listener=self._heard)

    def close(self) -> None:
        """Listen no more."""
        if logger := self._serverapp.event_logger:
            logger.remove_listener(schema_id=CONTENTS, listener=self._heard)

    async def _heard(self, logger: EventLogger, schema_id: str, data: dict[str, Any]) -> None:
        if data.get("action") != "rename":
            return
        old, new = data["source_path"].strip("/"), data["path"].strip("/")
        async for path in notebooks(self._serverapp.contents_manager, new):
            await self._rename(old + path[len(new) :], path)


async def notebooks(contents: Any, path: str) -> AsyncIterator[str]:
    """Yield a path if it is a notebook, or all notebooks beneath it if it is a directory."""
    waiting, seen = [path], 0
    while waiting and seen < LIMIT:
        path = waiting.pop()
        if path.endswith(".ipynb"):
            yield path
        elif await ensure_async(contents.dir_exists(path)):
            model = await ensure_async(contents.get(path, type="directory"))
            seen += len(model["content"])
            waiting += [entry["path"] for entry in model["content"] if entry["type"] in ("directory", "notebook")]
