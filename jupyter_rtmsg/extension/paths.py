"""Real paths of notebooks: the same under every root directory of a server, and through every link."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from jupyter_server.services.contents.fileio import FileManagerMixin
from jupyter_server.utils import ApiPath, to_os_path

RESOLVE_TIMEOUT = 10.0
"""Seconds that a file system has to resolve a path. After that the path is used as it is written."""


class Paths:
    """Turns paths relative to the server's root into real paths, with ``/`` as the separator.

    For a contents manager without files, the name of its class and the path stand for the real path.

    Parameters
    ----------
    contents : ContentsManager
    """

    def __init__(self, contents: Any) -> None:
        self._root: str | None = str(contents.root_dir)
        if not isinstance(contents, FileManagerMixin):
            self._root = None
        self._kind = type(contents).__qualname__
        self._hanging: set[str] = set()  # paths that a thread still waits for

    async def of_file(self, path: str) -> str:
        """Return the real path of a file; links are followed."""
        return await self._resolved(os.path.realpath, path)

    async def of_entry(self, path: str) -> str:
        """Return the real path of a directory's entry, which may be gone. Links above the entry are followed."""
        return await self._resolved(_entry, path)

    async def _resolved(self, resolve: Callable[[str], str], path: str) -> str:
        if self._root is None:
            return f"{self._kind}:{path}"
        written = to_os_path(ApiPath(path), self._root)
        real = None if written in self._hanging else await self._in_time(resolve, written)
        return (real or written).replace(os.sep, "/")

    async def _in_time(self, resolve: Callable[[str], str], written: str) -> str | None:
        """Return the real path, or None if the file system hangs or cannot resolve it (a circle of links, say)."""
        resolving = asyncio.ensure_future(asyncio.to_thread(resolve, written))
        done, _ = await asyncio.wait([resolving], timeout=RESOLVE_TIMEOUT)
        if not done:
            self._hanging.add(written)  # one thread waits for this path: the next call returns at once

        def returned(resolved: asyncio.Future[str]) -> None:
            self._hanging.discard(written)
            if not resolved.cancelled():
                resolved.exception()

        resolving.add_done_callback(returned)
        try:
            return resolving.result() if done else None
        except (OSError, ValueError):
            return None


def _entry(path: str) -> str:
    parent, name = os.path.split(path)
    return os.path.join(os.path.realpath(parent), name)


def shown(path: str) -> str:
    """Return a path without lone surrogates, which JSON may contain, and which cannot be encoded."""
    return path.encode("utf-8", "replace").decode()
