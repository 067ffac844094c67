"""Sessions that are opened without credentials, and send a token in Socket.IO's CONNECT.

The session's id is in the URL of every polling request, and so in logs of proxies. To know it must not give the rights
of the token. So such a session must upgrade to WebSocket, which nobody else can join, and until then its requests must
come from one client.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.httputil import HTTPServerRequest

from ..errors import ConnectionRefused
from ..server import Request
from ..server.origin import is_own
from ..server.session import Session

UPGRADE_TIMEOUT = 8.0
"""Seconds that a client has to upgrade; official clients begin at once."""
NEEDED = (
    "A token in CONNECT needs a WebSocket: over polling, anybody who reads the session's id in a URL could use the "
    "session. Allow the transport `websocket`, or give the token in the header `Authorization: token ...` "
    "(`extraHeaders`)."
)


async def upgraded(session: Session) -> None:
    """Wait until a session has a WebSocket.

    Raises
    ------
    ConnectionRefused
        If it has none within `UPGRADE_TIMEOUT`.
    """
    if session.transport is not None and session.transport.name == "websocket":
        return
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def finish(_: Any) -> None:
        if not done.done():
            done.set_result(None)

    session.on("upgrade", finish)
    session.on("close", finish)
    await asyncio.wait([done], timeout=UPGRADE_TIMEOUT)
    if session.transport is None or session.transport.name != "websocket":
        raise ConnectionRefused(NEEDED, {"code": "unauthorized"})


def is_same_client(opened: Request, request: HTTPServerRequest) -> bool:
    """Return whether a request may come from the client that opened a session: the same page in the same browser.

    The server's own pages send no Origin with a GET. The User-Agent of programs is not compared: they may use one
    library for polling and another one for WebSocket.
    """
    now = Request(request.headers, host=request.headers.get("Host", ""), secure=request.protocol == "https")
    return _page(opened) == _page(now) and _browser(opened) == _browser(now)


def _page(request: Request) -> str:
    origin = str(request.headers.get("Origin", ""))
    return "" if is_own(origin, request) else origin


def _browser(request: Request) -> str:
    agent = str(request.headers.get("User-Agent", ""))
    return agent if agent.startswith("Mozilla/") else ""
