"""Rejected requests (docs/protocol.md#engineio-errors)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tornado.web
from tornado.http1connection import HTTP1Connection

from jupyter_rtmsg.wire.data import encode_json

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
    """A request is rejected. An application raises it to reject one itself.

    Parameters
    ----------
    code : int
        Engine.IO's error code, 0 to 5. Applications use 4.
    message : str, optional
        Text for the client; Engine.IO's message for the code by default.
    status : int, optional
        HTTP status of the response; 403 for code 4 and 400 for the others by default.
    **context
        Details for listeners of ``connection_error``.
    """

    def __init__(self, code: int = 4, message: str = "", status: int = 0, **context: Any) -> None:
        self.code = code
        self.message = message or MESSAGES[code]
        self.status = status or (403 if code == 4 else 400)
        self.context: Mapping[str, Any] = context
        super().__init__(self.message)

    def answer(self, handler: tornado.web.RequestHandler) -> None:
        """Send the response: JSON, or plain text to a WebSocket client."""
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
    """The argument of an engine's ``connection_error`` event.

    Attributes
    ----------
    req : Request
        The rejected request.
    code : int
        Engine.IO's error code.
    message : str
        Engine.IO's message for the code.
    context : dict
        Details, such as the unknown ``transport``; ``message`` is the text that the client got, if it differs.
    """

    req: Request
    code: int
    message: str
    context: dict[str, Any]

    @classmethod
    def of(cls, request: Request, refusal: Refused) -> RefusedRequest:
        """Return the event's argument for a rejected request."""
        message = MESSAGES[refusal.code]
        context = {} if refusal.message == message else {"message": refusal.message}
        return cls(request, refusal.code, message, {**context, **refusal.context})
