"""The Tornado side: requests of both transports, their bodies, and who may send them from where."""

from __future__ import annotations

import inspect
from typing import Any

import tornado.web

from .engine import Engine
from .refusal import Refused


class EngineRequests(tornado.web.RequestHandler):
    """What any handler of an engine's requests needs: a body that is measured while it streams in.

    A subclass must be decorated with `tornado.web.stream_request_body`.

    Attributes
    ----------
    payload : bytearray
        The body of a POST.
    """

    payload: bytearray

    def engine_of_request(self) -> Engine:
        """Return the engine; called once for each request."""
        raise NotImplementedError

    async def prepare(self) -> None:
        """Refuse a body that is announced as too large (PROTOCOL 1.5: 413, and the session survives)."""
        self.payload = bytearray()
        before = super().prepare()
        if inspect.isawaitable(before):
            await before
        if not self._finished:
            self._limit = self.engine_of_request().max_body(self)
            announced = self.request.headers.get("Content-Length", "")
            if announced.isdigit() and int(announced) > self._limit:
                self._too_large()

    def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body: its length may never have been announced (chunked)."""
        if not self._finished:
            self.payload += chunk
            if len(self.payload) > self._limit:
                self._too_large()

    def _too_large(self) -> None:
        self.payload.clear()
        self.set_status(413)
        self.set_header("Connection", "close")
        self.finish()


@tornado.web.stream_request_body
class EngineHandler(EngineRequests):
    """Serves an engine in a Tornado application."""

    def initialize(self, engine: Engine) -> None:
        """Take the engine from the route."""
        self.engine = engine

    def engine_of_request(self) -> Engine:
        """Return the engine of the route."""
        return self.engine

    def check_xsrf_cookie(self) -> None:
        """These requests carry no form; their Origin is checked instead."""

    async def get(self) -> None:
        """Open a session, or wait for its packets."""
        await self._accept()

    async def post(self) -> None:
        """Take a session's packets."""
        await self._accept()

    put = delete = patch = head = post

    async def options(self) -> None:
        """Answer a preflight, where CORS is configured."""
        if self._cors():
            self.set_header("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
            requested = self.request.headers.get("Access-Control-Request-Headers")
            if requested:
                self.set_header("Access-Control-Allow-Headers", requested)
            self.set_status(204)
        else:
            Refused(2, "Bad handshake method").answer(self)

    async def _accept(self) -> None:
        if self._origin_allowed():
            self._cors()
            await self.engine.accept(self, body=bytes(self.payload))
        else:
            Refused(4, "Origin not allowed", 403).answer(self)

    def _origin_allowed(self) -> bool:
        origin = self.request.headers.get("Origin")
        if origin is None or "*" in self.engine.origins or origin in self.engine.origins:
            return True
        return origin.lower() == f"{self.request.protocol}://{self.request.host}".lower()

    def _cors(self) -> bool:
        """Let pages of the allowed origins read the answer."""
        origin: Any = self.request.headers.get("Origin")
        allowed = self.engine.origins
        if origin is None or not allowed:
            return False
        if origin in allowed:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Vary", "Origin")
            self.set_header("Access-Control-Allow-Credentials", "true")
        elif "*" in allowed:  # anybody, but nobody's cookies
            self.set_header("Access-Control-Allow-Origin", "*")
        return True
