"""The browser's client, socket.io-client from npm, served beside the wire so that a page needs no other host.

The files come into ``static/`` when the package is built (docs/protocol.md#socketio-bundle says how they are served).
"""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import tornado.web

from .engine import Engine
from .refusal import Refused

STATIC = Path(__file__).with_name("static")
SCRIPTS = ("socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js")
NAMES = (*SCRIPTS, *(name + ".map" for name in SCRIPTS))
NOT_BUILT = (
    "The client bundle was not built into this copy of jupyter_rtmsg: "
    "`pip install .` (or `pip install --editable .`) in its checkout builds it, with Node.js."
)


class BundleRequests(tornado.web.RequestHandler):
    """What any handler of the bundle needs."""

    async def share(self) -> None:
        """Let pages of other origins read it, where they are allowed to (CORS)."""

    async def get(self, name: str) -> None:
        """Answer with a file of the bundle, or with 304 where the browser has it."""
        await self.share()
        version = client_version()
        if version is None or name not in NAMES:
            self.set_status(404)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(NOT_BUILT + "\n")
            return
        kind = "json" if name.endswith(".map") else "javascript"
        self.set_header("Content-Type", f"application/{kind}; charset=utf-8")
        self.set_header("Cache-Control", "public, max-age=0")
        self.set_header("Etag", f'"{version}"')
        self.add_header("Vary", "Accept-Encoding")
        if self.check_etag_header():
            self.set_status(304)
        elif "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.finish(_compressed(name, version))
        else:
            self.finish((STATIC / name).read_bytes())

    head = get


class BundleHandler(BundleRequests):
    """Serves the bundle in a Tornado application."""

    def initialize(self, engine: Engine) -> None:
        """Take the engine, whose origins may read it, from the route."""
        self._engine = engine

    async def share(self) -> None:
        """Let pages of the allowed origins read it."""
        origins = self._engine.origins
        try:
            verdict = await origins.check(self._engine.proxies.describe(self))
        except Refused:
            verdict = "none"  # anybody may have it: its origin is not let to read it
        origins.share(self, verdict)

    async def options(self, name: str) -> None:
        """Answer a preflight, where CORS is configured."""
        request = self._engine.proxies.describe(self)
        if not await self._engine.origins.preflight(self, request, "GET,HEAD"):
            self.set_status(405)


def bundle_pattern(path: str) -> str:
    """Return the pattern of the bundle's URLs below a path: these names and no others."""
    return f"{re.escape(path.rstrip('/'))}/({'|'.join(map(re.escape, NAMES))})"


def bundle_routes(path: str, engine: Engine) -> list[Any]:
    """Return the routes of the bundle below a path."""
    return [(bundle_pattern(path), BundleHandler, {"engine": engine})]


def client_version() -> str | None:
    """Return the version of socket.io-client that is served, None where it was not built."""
    try:
        return (STATIC / "version").read_text().strip()
    except FileNotFoundError:
        return None


@lru_cache(maxsize=len(NAMES))
def _compressed(name: str, version: str) -> bytes:
    """Compress a file, once for each version of it."""
    return gzip.compress((STATIC / name).read_bytes())
