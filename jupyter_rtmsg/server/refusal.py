"""Requests that are refused (PROTOCOL 1.9)."""

from __future__ import annotations

import tornado.web
from tornado.http1connection import HTTP1Connection

from ..wire.data import encode_json


class Refused(Exception):
    """A request that opens no session, or belongs to none.

    Parameters
    ----------
    code : int
        Engine.IO's code.
    message : str
    status : int
        The status of the HTTP response.
    """

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

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
