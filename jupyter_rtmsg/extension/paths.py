"""Where a notebook really is: the same under every root from which it is served, and through every link."""

from __future__ import annotations

import asyncio
import os
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

    async def of_file(self, path: str) -> str:
        """Return the real path of what is there now, links followed."""
        return await self._resolved(os.path.realpath, path)

    async def of_entry(self, path: str) -> str:
        """Return the real path of an entry of a directory, there or gone: links above it are followed, not itself."""
        return await self._resolved(_entry, path)

    async def _resolved(self, resolve: Any, path: str) -> str:
        if self._root is None:
            return f"{self._kind}:{path}"
        written = to_os_path(ApiPath(path), self._root)
        try:
            real = await asyncio.wait_for(asyncio.to_thread(resolve, written), PATIENCE)
        except (asyncio.TimeoutError, OSError, ValueError):  # it hangs, is a circle of links, or is no path
            real = written
        return str(real).replace(os.sep, "/")


def _entry(path: str) -> str:
    parent, name = os.path.split(path)
    return os.path.join(os.path.realpath(parent), name)


def shown(path: str) -> str:
    """Return a path as text: one that came as JSON may hold halves of characters, which no file and no wire takes."""
    return path.encode("utf-8", "replace").decode()
