"""The endpoints: the Socket.IO wire, and the status."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado.web import HTTPError, authenticated

from .rights import RESOURCE
from .service import Service


async def _ready(service: Service) -> None:
    try:
        await service.ready()
    except Exception as error:
        raise HTTPError(503, f"The hub could not be started: {error}") from error


class SocketHandler(JupyterHandler):
    """Works out who asks, and hands the request to the Socket.IO server."""

    def initialize(self, service: Service) -> None:
        """Take what the route gives."""
        self._service = service

    @allow_unauthenticated  # a client that can set no header brings its token in CONNECT
    async def get(self) -> None:
        """Open a session (a WebSocket handshake)."""
        await _ready(self._service)
        principal = await self._service.identity.of_request(self)
        user = self.current_user
        if principal is not None and user is not None and user.username == principal:
            self._service.rights.introduce(principal, user)
        await self._service.server.engine.accept(self, user=principal)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log without the URL, whose query may hold a session's id or a token put there by mistake."""
        if isinstance(value, HTTPError):
            self.log.warning("rtmsg: refused %s: %s", self.request.remote_ip, value.log_message)
        else:
            self.log.error("rtmsg: a request failed", exc_info=(typ, value, tb))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer in one line, where Jupyter would send a page: the readers are programs."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = error.log_message if isinstance(error, HTTPError) else None
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish((message or self._reason) + "\n")


class StatusHandler(APIHandler):
    """What the hub does, for the panel and for operators."""

    auth_resource = RESOURCE

    def initialize(self, service: Service) -> None:
        """Take what the route gives."""
        self._service = service

    @authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"version", "epoch", "log": {"url", "durable", "warning"}, "sessions", "rooms", "url"}``."""
        await _ready(self._service)
        self.finish(self._service.status())
