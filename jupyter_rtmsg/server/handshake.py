"""The WebSocket handshake: the response 101, and the handover of Tornado's connection to a transport."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from typing import cast

import tornado.iostream
import tornado.web

from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.deflate import AGREED, accepts
from jupyter_rtmsg.wire.websocket import accept_value

from .rejection import Refused
from .request_hooks import Headers
from .stream import StreamTransport
from .websocket import READ_SIZE, DeflateTransport, Peer, WebSocketTransport

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_EARLY_SIZE = 1 << 20  # bytes that a peer may send before it has the response
logger = throttled_logger(__name__)


async def open_websocket(
    handler: tornado.web.RequestHandler, response: bytes, peer: Peer, *, deflate: bool = False
) -> bool:
    """Send the response to an upgrade request, and hand its connection over to a transport.

    Parameters
    ----------
    handler : tornado.web.RequestHandler
    response : bytes
        The 101, see `switching_protocols`.
    peer : Peer
        A session, or the candidate of an upgrade.
    deflate : bool
        Whether the response accepts permessage-deflate.

    Returns
    -------
    bool
        False if the connection was lost before that.
    """
    stream = handler.detach()
    handler.set_status(101)
    handler.application.log_request(handler)
    transport = DeflateTransport if deflate else WebSocketTransport
    try:
        if stream.socket is None:  # the client closed it while the request was handled
            return False
        await stream.write(response)
        if type(stream) is tornado.iostream.IOStream:
            await _take_over(stream, transport(peer, _early(stream)))
        else:  # Tornado's stream does the TLS
            StreamTransport(stream, transport(peer)).start()
    except tornado.iostream.StreamClosedError:
        return False
    return True


def wants_deflate(handler: tornado.web.RequestHandler) -> bool:
    """Return whether a client offers permessage-deflate with parameters that the server accepts."""
    return accepts(",".join(handler.request.headers.get_list("Sec-WebSocket-Extensions")))


def check_handshake(handler: tornado.web.RequestHandler) -> None:
    """Check that a request is a WebSocket handshake (RFC 6455, section 4.2.1).

    Raises
    ------
    Refused
        If it is not.
    """
    headers = handler.request.headers
    try:
        valid = len(base64.b64decode(headers.get("Sec-WebSocket-Key", ""), validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if (
        not valid
        or headers.get("Upgrade", "").lower() != "websocket"
        or headers.get("Sec-WebSocket-Version") != "13"
        or "upgrade" not in headers.get("Connection", "").lower()
        or not all(_TOKEN.fullmatch(name) for name in _subprotocols(handler))
    ):
        raise Refused(3, name="TRANSPORT_HANDSHAKE_ERROR")


def switching_protocols(handler: tornado.web.RequestHandler, headers: Headers, *, deflate: bool = False) -> bytes:
    """Return the 101 that answers a WebSocket handshake.

    Parameters
    ----------
    handler : tornado.web.RequestHandler
        Its request has passed `check_handshake`. The first of the offered subprotocols is accepted, as by the package
        ``ws``: browsers close a connection if none is.
    headers : dict
        More headers, each with one value or a list of them.
    deflate : bool
        Whether to accept permessage-deflate.
    """
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_value(handler.request.headers['Sec-WebSocket-Key'])}",
    ]
    lines += [f"Sec-WebSocket-Protocol: {name}" for name in _subprotocols(handler)[:1]]
    if deflate:
        lines.append(f"Sec-WebSocket-Extensions: {AGREED}")
    for name, value in headers.items():
        lines += [f"{name}: {one}" for one in ([value] if isinstance(value, str) else value)]
    cookies = getattr(handler, "_new_cookie", None) or {}  # a login that this request has renewed
    lines += ["Set-Cookie: " + cookie.OutputString() for cookie in cookies.values()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _subprotocols(handler: tornado.web.RequestHandler) -> list[str]:
    offered = handler.request.headers.get("Sec-WebSocket-Protocol")
    return [] if offered is None else [name.strip() for name in offered.split(",")]


def _early(stream: tornado.iostream.IOStream) -> bytes:
    """Return the bytes that the peer sent right behind its request: they are in the stream's buffer."""
    early = b""
    while True:
        future = cast("asyncio.Future[bytes]", stream.read_bytes(READ_SIZE, partial=True))
        if not future.done():
            break
        early += future.result()
        if len(early) > _EARLY_SIZE:  # a fast peer could keep this loop busy for ever
            stream.close()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return early


async def _take_over(stream: tornado.iostream.IOStream, transport: WebSocketTransport) -> None:
    """Move the socket of a stream to a transport of the event loop."""
    socket = stream.socket.dup()
    socket.setblocking(False)
    stream.close()
    await asyncio.get_running_loop().connect_accepted_socket(lambda: transport, socket)
