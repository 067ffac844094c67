"""The browser's client: the bundles of the npm package socket.io-client, so that a page needs no other host.

The files are put into ``static/`` when the package is built (docs/protocol.md#socketio-bundle).
"""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import tornado.web

from .origin import Origins
from .rejection import Refused
from .request import TrustedProxies

STATIC = Path(__file__).with_name("static")
SCRIPTS = ("socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js")
NAMES = (*SCRIPTS, *(name + ".map" for name in SCRIPTS))
NOT_BUILT = (
    "This copy of jupyter_rtmsg has no client bundle. To build it, run `pip install .` (or `pip install --editable .`) "
    "in its checkout, with Node.js installed."
)


class BundleRequests(tornado.web.RequestHandler):
    """Base class of handlers that serve the bundle."""

    async def share(self) -> None:
        """Set the CORS headers. By default there are none."""

    async def get(self, name: str) -> None:
        """Send a file of the bundle, or 304 if the browser has it."""
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


class EngineBundleHandler(BundleRequests):
    """Serves the bundle in a Tornado application."""

    def initialize(self, origins: Origins, proxies: TrustedProxies) -> None:
        """Store the arguments of the route."""
        self._origins = origins
        self._proxies = proxies

    async def share(self) -> None:
        """Set the CORS headers for pages of allowed origins."""
        try:
            verdict = await self._origins.check(self._proxies.describe(self))
        except Refused:
            verdict = "none"  # the file is public, but a page of this origin cannot read it
        self._origins.share(self, verdict)

    async def options(self, name: str) -> None:
        """Answer a preflight request if CORS is configured."""
        request = self._proxies.describe(self)
        if not await self._origins.preflight(self, request, "GET,HEAD"):
            self.set_status(405)


def bundle_pattern(path: str) -> str:
    """Return a regular expression for the URLs of the bundle below a path."""
    return f"{re.escape(path.rstrip('/'))}/({'|'.join(map(re.escape, NAMES))})"


def bundle_routes(path: str, origins: Origins, proxies: TrustedProxies) -> list[Any]:
    """Return the routes of the bundle below a path."""
    return [(bundle_pattern(path), EngineBundleHandler, {"origins": origins, "proxies": proxies})]


def client_version() -> str | None:
    """Return the version of socket.io-client that is served; None if the bundle was not built."""
    try:
        return (STATIC / "version").read_text().strip()
    except FileNotFoundError:
        return None


@lru_cache(maxsize=len(NAMES))
def _compressed(name: str, version: str) -> bytes:
    """Compress a file once for each version."""
    return gzip.compress((STATIC / name).read_bytes())
