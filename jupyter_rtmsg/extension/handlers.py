"""The endpoints: the Socket.IO wire, the browser's client beside it, and the status."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado.web import HTTPError, RequestHandler, authenticated, stream_request_body

from ..redaction import redacted
from ..server import BundleRequests, Engine, EngineRequests, Refused
from .authenticator import Denied, Principal
from .newcomers import is_same_client
from .rights import RESOURCE
from .service import Service

NOT_STARTED = "The hub could not be started. The reason is in the server's log."


async def _ready(service: Service, *, tell: bool) -> None:
    """Wait until the hub runs. With ``tell``, the answer to a failure contains the reason."""
    try:
        await service.ready()
    except Exception as error:
        raise Denied(503, f"The hub could not be started: {redacted(str(error))}" if tell else NOT_STARTED) from error


@stream_request_body
class SocketHandler(EngineRequests, JupyterHandler):  # type: ignore[misc]  # Jupyter's prepare has an option
    """Authenticates a request, and passes it to the Socket.IO server."""

    def initialize(self, service: Service) -> None:
        """Keep the service that the route passes."""
        self._service = service

    def engine_of_request(self) -> Engine:
        """Return the engine."""
        return self._service.server.engine

    @allow_unauthenticated  # a client that cannot set a header sends its token in CONNECT
    async def get(self) -> None:
        """Open a session, or wait for its packets."""
        await self._accept()

    @allow_unauthenticated
    async def post(self) -> None:
        """Take a session's packets."""
        await self._accept()

    put = delete = patch = head = post

    @allow_unauthenticated
    async def options(self) -> None:
        """Answer a preflight of a page whose origin Jupyter's settings allow."""
        if "Access-Control-Allow-Origin" in self._headers:
            self.set_header("Access-Control-Allow-Methods", "GET,POST")
            self.set_header("Access-Control-Allow-Headers", "accept, authorization, content-type, x-xsrftoken")
            self.set_status(204)
        else:
            Refused(2, "Bad handshake method").answer(self)

    async def _accept(self) -> None:
        principal = await self._service.authenticator.of_request(self)
        await _ready(self._service, tell=principal is not None)
        self._check_forgery(principal)
        if principal is None and self._is_of_another_client():
            Refused(1).answer(self)
            return
        await self.engine_of_request().accept(self, user=principal, body=self.payload)

    def _is_of_another_client(self) -> bool:
        """Return whether another page or browser opened the session, which has no credentials yet."""
        session = self.engine_of_request().session_of(self)
        return session is not None and session.user is None and not is_same_client(session.request, self.request)

    def check_xsrf_cookie(self) -> None:
        """Do nothing: Jupyter calls this before the request is authenticated. `_check_forgery` checks it."""

    def _check_forgery(self, principal: Principal | None) -> None:
        """Refuse a POST with a cookie but without the XSRF token. Foreign Origins were refused before."""
        if self.request.method == "GET" or "Origin" in self.request.headers:
            return
        if principal is not None and principal.by_cookie and not self.settings.get("disable_check_xsrf", False):
            RequestHandler.check_xsrf_cookie(self)

    def set_secure_cookie(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Renew a login, but set no new one: the next request of the client would belong to another user."""
        if self.get_cookie(name) is not None:
            super().set_secure_cookie(name, *args, **kwargs)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log without the URL: its query has the session's id, and sometimes a token."""
        if isinstance(value, HTTPError):
            self.log.warning("rtmsg: refused %s: %s", self.request.remote_ip, redacted(str(value.log_message)))
        else:
            self.log.error("rtmsg: a request failed", exc_info=(typ, value, tb))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with one line of text, for programs; Jupyter would send a page.

        Only texts of `Denied` are shown. Texts of other errors may contain internals, and are only logged.
        """
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = error.message if isinstance(error, Denied) else None
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish((message or self._reason) + "\n")


class PublicBundleHandler(BundleRequests, JupyterHandler):
    """Serves the files of the browser's client, to everybody."""

    @allow_unauthenticated
    async def get(self, name: str) -> None:
        """Answer with a file of the bundle."""
        await super().get(name)

    head = get


class StatusHandler(APIHandler):
    """The state of the hub, for the panel and for operators."""

    auth_resource = RESOURCE
    _track_activity = False  # panels ask for it while they are offline, in hidden tabs too

    def initialize(self, service: Service) -> None:
        """Keep the service that the route passes."""
        self._service = service

    @authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"version", "epoch", "log": {"url", "durable", "warning"}, "sessions", "rooms", "url"}``."""
        await _ready(self._service, tell=True)
        self.finish(self._service.status())
