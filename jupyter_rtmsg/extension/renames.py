"""Follows the renames and deletions of notebooks and directories, so that a notebook keeps its subscriptions.

What is moved or deleted outside Jupyter is not followed: nobody tells.
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

LOOKS = 30
"""So often a kernel's notebook is looked up at most: whoever renames without end must not keep others out."""


class Notebooks(Protocol):
    """What is told of notebooks: the hub. Paths are real ones, ``label`` is how people see the new one."""

    def rename(self, old: str, new: str, label: str, *, was: str | None = None, permits: Permits) -> None:
        """Follow a notebook, or a directory with all beneath it."""

    def delete(self, path: str, *, permits: Permits) -> None:
        """End what belongs to a notebook, or to all beneath a directory."""


class Renamed(NamedTuple):
    """What became of the notebook of a session that still has the path of before."""

    session_path: str
    path: str


class Renames:
    """Tells the hub of everything that was renamed, moved or deleted through Jupyter.

    Jupyter tells of a rename before the session of the notebook is given its new path, if it ever is. So a kernel's
    notebook is looked up here, one after the other with what is heard: whoever is known by a path when a rename or a
    deletion is followed was there when it happened, and a notebook that gets the same path later is another one.

    Parameters
    ----------
    serverapp : ServerApp
    permits : callable
        Awaited with the handler of the request that renames or deletes, None for the server itself; returns whose
        subscriptions that may concern.
    """

    def __init__(self, serverapp: ServerApp, permits: Callable[[Any], Awaitable[Permits]]) -> None:
        self._serverapp = serverapp
        self._permits = permits
        self._paths = Paths(serverapp.contents_manager)
        self._lock = asyncio.Lock()
        self._following = 0  # renames and deletions that are yet to be followed
        self._renamed: dict[str, Renamed] = {}  # by kernel

    def start(self, notebooks: Notebooks) -> None:
        """Listen to the contents service, and tell of it."""
        self._notebooks = notebooks
        if logger := self._serverapp.event_logger:
            logger.add_listener(schema_id=CONTENTS, listener=self._heard)

    def close(self) -> None:
        """Listen no more."""
        if logger := self._serverapp.event_logger:
            logger.remove_listener(schema_id=CONTENTS, listener=self._heard)

    async def locate(self, kernel_id: str, find: Callable[[str], Awaitable[str | None]]) -> tuple[str, str] | None:
        """Return the path of a kernel's notebook, as people see it and the real one.

        The caller must use it before it awaits anything else: a rename that is heard later finds it then.

        Parameters
        ----------
        kernel_id : str
        find : callable
            Awaited with the kernel's id; returns the path of its session. It may wait for one, but not twice.
        """
        await find(kernel_id)  # which may wait for a path
        located = None
        for _ in range(LOOKS):
            async with self._lock:
                path = await find(kernel_id)
                located = None if path is None else await self._locate(self._now(kernel_id, path))
                if not self._following:
                    break
            # Something was renamed or deleted meanwhile, and its front-end may have changed the session: that first.
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
        else:  # a link was renamed: what it leads to is where it was, under another name
            self._notebooks.rename(real, real, shown(new), was=shown(old), permits=permits)

    # --- sessions whose path is that of before

    def _now(self, kernel_id: str, path: str) -> str:
        """Return the path that the notebook of a session has now."""
        renamed = self._renamed.get(kernel_id)
        return renamed.path if renamed and renamed.session_path == path else path

    def _note_sessions(self, sessions: list[dict[str, Any]], old: str, new: str) -> None:
        """Remember which of the sessions of the time of a rename it concerns."""
        kept: dict[str, Renamed] = {}
        for session in sessions:
            kernel, path = str(session["kernel"]["id"]), notebook_path(str(session["path"]).strip("/"))
            now = self._now(kernel, path)
            if now == old or now.startswith(old + "/"):
                now = new + now[len(old) :]
            if now != path:
                kept[kernel] = Renamed(path, now)
        self._renamed = kept
