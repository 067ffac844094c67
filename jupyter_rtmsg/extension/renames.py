"""Follows the renames and deletions of notebooks and directories, so that a notebook keeps its subscriptions.

Files that are moved or deleted outside of Jupyter are not followed, since Jupyter reports only its own changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from jupyter_core.utils import ensure_async
from jupyter_events import EventLogger
from jupyter_server import CallContext
from jupyter_server.serverapp import ServerApp

from ..hub import Permits
from .kernels import notebook_path
from .paths import Paths, shown

CONTENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"

MAX_LOOKUPS = 30
"""The most lookups of a kernel's notebook for one `locate`, if renames keep coming in between."""


class Notebooks(Protocol):
    """The part of the hub that follows notebooks. Paths are real paths; ``label`` is the new path as people see it."""

    def rename(self, old: str, new: str, label: str, *, was: str | None = None, permits: Permits) -> None:
        """Follow a notebook, or all notebooks of a directory."""

    def delete(self, path: str, *, permits: Permits) -> None:
        """End the subscriptions of a notebook, or of all notebooks of a directory."""


class Renamed(NamedTuple):
    """The new path of a notebook whose session still has the old one."""

    session_path: str
    path: str


class Renames:
    """Reports files and folders that were renamed, moved or deleted through Jupyter to the hub.

    Jupyter reports a rename before the session of the notebook gets its new path, if it ever does. So the notebook of a
    kernel is looked up here, under one lock with the reports. A participant that has a path when its rename or deletion
    is followed had it when that happened; a notebook that gets the same path later is another one.

    Parameters
    ----------
    serverapp : ServerApp
    permits : callable
        Awaited with the handler of the request that renames or deletes (None: the server itself). Returns whose
        subscriptions the change may affect.
    """

    def __init__(self, serverapp: ServerApp, permits: Callable[[Any], Awaitable[Permits]]) -> None:
        self._serverapp = serverapp
        self._permits = permits
        self._paths = Paths(serverapp.contents_manager)
        self._lock = asyncio.Lock()
        self._following = 0  # the number of reports that are not followed yet
        self._renamed: dict[str, Renamed] = {}  # by kernel

    def start(self, notebooks: Notebooks) -> None:
        """Listen to the contents service, and report to the hub."""
        self._notebooks = notebooks
        if logger := self._serverapp.event_logger:
            logger.add_listener(schema_id=CONTENTS, listener=self._heard)

    def close(self) -> None:
        """Stop listening."""
        if logger := self._serverapp.event_logger:
            logger.remove_listener(schema_id=CONTENTS, listener=self._heard)

    async def locate(self, kernel_id: str, find: Callable[[str], Awaitable[str | None]]) -> tuple[str, str] | None:
        """Return the path of a kernel's notebook as people see it, and its real path; None without a notebook.

        The caller must register the path before it awaits anything else, so that later reports find it.

        Parameters
        ----------
        kernel_id : str
        find : callable
            Awaited with the kernel's id; returns the path of its session. It may wait for one, but not twice.
        """
        await find(kernel_id)  # which may wait for a path
        located = None
        for _ in range(MAX_LOOKUPS):
            async with self._lock:
                path = await find(kernel_id)
                located = None if path is None else await self._locate(self._now(kernel_id, path))
                if not self._following:
                    break
            # A report came meanwhile, and the session may have changed: follow it first, then look again.
        return located

    async def _locate(self, path: str) -> tuple[str, str]:
        return shown(path), await self._paths.of_file(path)

    async def _heard(self, logger: EventLogger, schema_id: str, data: dict[str, Any]) -> None:
        path, old = (str(data.get(key) or "").strip("/") for key in ("path", "source_path"))
        handler = CallContext.get(CallContext.JUPYTER_HANDLER)
        self._following += 1
        try:
            if data.get("action") == "rename":
                sessions = asyncio.ensure_future(ensure_async(self._serverapp.session_manager.list_sessions()))
                async with self._lock:
                    self._note_sessions(await sessions, old, path)
                    await self._follow(old, path, await self._permits(handler))
            elif data.get("action") == "delete":
                async with self._lock:
                    self._notebooks.delete(await self._paths.of_entry(path), permits=await self._permits(handler))
        finally:
            self._following -= 1

    async def _follow(self, old: str, new: str, permits: Permits) -> None:
        entry, moved, real = (
            await self._paths.of_entry(old), await self._paths.of_entry(new), await self._paths.of_file(new)
        )  # fmt: skip
        if real == moved:
            self._notebooks.rename(entry, moved, shown(new), permits=permits)
        else:  # a link was renamed: its target has the same real path, and another label
            self._notebooks.rename(real, real, shown(new), was=shown(old), permits=permits)

    # --- sessions that still have the old path

    def _now(self, kernel_id: str, path: str) -> str:
        """Return the current path of the notebook of a session."""
        renamed = self._renamed.get(kernel_id)
        return renamed.path if renamed and renamed.session_path == path else path

    def _note_sessions(self, sessions: list[dict[str, Any]], old: str, new: str) -> None:
        """Remember the new paths of the sessions that a rename affects."""
        kept: dict[str, Renamed] = {}
        for session in sessions:
            kernel, path = str(session["kernel"]["id"]), notebook_path(str(session["path"]).strip("/"))
            now = self._now(kernel, path)
            if now == old or now.startswith(old + "/"):
                now = new + now[len(old) :]
            if now != path:
                kept[kernel] = Renamed(path, now)
        self._renamed = kept
