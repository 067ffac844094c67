"""Requests that are refused (docs/protocol.md#engineio-errors)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tornado.web
from tornado.http1connection import HTTP1Connection

from ..wire.data import encode_json
from .request import Request

MESSAGES = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    4: "Forbidden",
    5: "Unsupported protocol version",
}


class Refused(Exception):
    """A request that opens no session, or belongs to none; an application raises it to refuse one.

    Parameters
    ----------
    code : int
        Engine.IO's code, 0 to 5. An application's own refusals are 4.
    message : str, optional
        What the client is told. By default Engine.IO's words for the code.
    status : int, optional
        The status of the HTTP response. By default 403 for code 4, else 400.
    **context
        What the ``connection_error`` event tells beside it.
    """

    def __init__(self, code: int = 4, message: str = "", status: int = 0, **context: Any) -> None:
        self.code = code
        self.message = message or MESSAGES[code]
        self.status = status or (403 if code == 4 else 400)
        self.context: Mapping[str, Any] = context
        super().__init__(self.message)

    def answer(self, handler: tornado.web.RequestHandler) -> None:
        """Answer: with JSON, or, to a WebSocket client, with the plain message."""
        handler.set_status(self.status)
        if handler.request.headers.get("Upgrade", "").lower() == "websocket":
            handler.set_header("Content-Type", "text/plain; charset=UTF-8")
            handler.set_header("Connection", "close")
            connection = handler.request.connection
            written = handler.finish(self.message)
            if isinstance(connection, HTTP1Connection):
                written.add_done_callback(lambda _: connection.close())  # Tornado would keep it alive
        else:
            handler.set_header("Content-Type", "application/json")
            handler.finish(encode_json({"code": self.code, "message": self.message}))


class RefusedRequest(NamedTuple):
    """What the ``connection_error`` event of an engine tells of a request that was refused.

    Attributes
    ----------
    req : Request
    code : int
        Engine.IO's code.
    message : str
        Engine.IO's words for it.
    context : dict
        More of it, such as the ``transport`` that is unknown; ``message`` is what the client was told instead.
    """

    req: Request
    code: int
    message: str
    context: dict[str, Any]

    @classmethod
    def of(cls, request: Request, refusal: Refused) -> RefusedRequest:
        """Return what an application is told."""
        message = MESSAGES[refusal.code]
        told = {} if refusal.message == message else {"message": refusal.message}
        return cls(request, refusal.code, message, {**told, **refusal.context})
