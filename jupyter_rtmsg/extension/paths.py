"""Where a notebook really is: the same under every root from which it is served, and through every link."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from jupyter_server.services.contents.fileio import FileManagerMixin
from jupyter_server.utils import ApiPath, to_os_path

PATIENCE = 10.0
"""Seconds that a file system may take to say where a path leads; after that it is taken as it is written."""


class Paths:
    """Makes real paths, with ``/`` as the separator, of paths relative to the server's root.

    Contents that are no files have no real path: what stands for one is then the same under every root.

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
        """Return the real path of what is there now, links followed."""
        return await self._resolved(os.path.realpath, path)

    async def of_entry(self, path: str) -> str:
        """Return the real path of an entry of a directory, there or gone: links above it are followed, not itself."""
        return await self._resolved(_entry, path)

    async def _resolved(self, resolve: Callable[[str], str], path: str) -> str:
        if self._root is None:
            return f"{self._kind}:{path}"
        written = to_os_path(ApiPath(path), self._root)
        real = None if written in self._hanging else await self._within_patience(resolve, written)
        return (real or written).replace(os.sep, "/")

    async def _within_patience(self, resolve: Callable[[str], str], written: str) -> str | None:
        """Return the real path, or None where the file system hangs, or the path is a circle of links or no path."""
        resolving = asyncio.ensure_future(asyncio.to_thread(resolve, written))
        done, _ = await asyncio.wait([resolving], timeout=PATIENCE)
        if not done:
            self._hanging.add(written)  # one thread waits for it, and its kernels do not keep others waiting again

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
    """Return a path as text: one that came as JSON may hold halves of characters, which no file and no wire takes."""
    return path.encode("utf-8", "replace").decode()
