"""An HTTP/1.1 client connection: one request at a time, then reuse, or a switch to another protocol.

h11 parses and checks the order of events (docs/decisions/0008-h11-for-http.md); this file is its I/O on asyncio.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import h11

_MAX_HEAD = 64 * 1024
_MAX_ERROR_BODY = 64 * 1024  # bytes of the body of a response other than 2xx, which is only shown
_KEEP_ALIVE = re.compile(r"\btimeout\s*=\s*(\d+)", re.IGNORECASE)
_DEFAULT_KEEP_ALIVE = 4.0  # seconds; servers that send no Keep-Alive header keep a connection for 5 s or longer
_KEEP_ALIVE_MARGIN = 1.0  # seconds
_NO_RESPONSE = "the server closed the connection without a response"


@dataclass(frozen=True, slots=True)
class Response:
    """A response. The names of ``headers`` are in lower case."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return the first header with this lower-case name, or an empty string."""
        return next((value for key, value in self.headers if key == name), "")


class HttpFailed(ConnectionError):
    """The connection was made, but no valid HTTP/1.1 response came."""


class HttpRefused(Exception):
    """The response has another status than the request needs.

    Parameters
    ----------
    status : int
    body : str
        The first 64 KiB of the body.
    location : str
        The target of a redirect, or an empty string.
    """

    def __init__(self, status: int, body: str, location: str = "") -> None:
        text = " ".join(body.split())[:200]  # one line, even for an HTML page
        super().__init__(f"HTTP {status}: {text}" if text else f"HTTP {status}")
        self.status = status
        self.body = body
        self.location = location

    @classmethod
    def by(cls, response: Response) -> HttpRefused:
        """Make the error for a response."""
        return cls(response.status, response.body.decode(errors="replace"), response.header("location"))


class HttpConnection(asyncio.Protocol):
    """A connection to a server or a proxy. `dial` makes it; its owner ends it with `abort`.

    One task uses it: it calls `request`, again `request` while `reusable`, or `hand_over` after a 101 or an accepted
    CONNECT. During a request, ``_answer`` is the pending result, ``_head`` the status and headers that have come, and
    ``_body`` the body so far. h11's two states decide whether another request may follow. Every failure closes the
    connection.
    """

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._head: Response | None = None
        self._body = bytearray()
        self._max_body = 0
        self._usable_until = 0.0

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the asyncio transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not subclass asyncio's

    def data_received(self, data: bytes) -> None:
        """Parse the bytes of one read."""
        self._h11.receive_data(data)
        if self._answer and not self._answer.done():
            self._advance()
        elif self._h11.their_state is not h11.SWITCHED_PROTOCOL:
            self.abort()  # a response without a request, such as 408 before the server closes

    def eof_received(self) -> None:
        """Take the end of the stream, which also ends a response without a length."""
        if self._head is None and not self._h11.trailing_data[0]:
            self._fail(_NO_RESPONSE)
        else:
            self._h11.receive_data(b"")
            self._advance()

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the pending request."""
        self._fail(str(error) if error else _NO_RESPONSE)

    # -- requests

    @property
    def reusable(self) -> bool:
        """Whether another request may be made, within the server's keep-alive time (``Keep-Alive: timeout=5``).

        A POST on a connection that the server is closing is lost, and the session with it. So the connection is given
        up a second before the server would close it.
        """
        alive = self._transport is not None and not self._transport.is_closing()
        done = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE and not self._h11.trailing_data[0]
        return alive and done and asyncio.get_running_loop().time() < self._usable_until

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"", max_body: int = _MAX_ERROR_BODY
    ) -> Response:
        """Send a request and return its response.

        Parameters
        ----------
        method, target : str
        headers : mapping
            ``Content-Length`` is added where it is needed.
        body : bytes
        max_body : int
            The largest body of a 2xx response, in bytes. Other bodies are cut off at 64 KiB.

        Raises
        ------
        HttpFailed
            If the connection breaks, or the response is not valid HTTP/1.1. The connection is closed.
        ValueError
            If a header contains a line break or another character that HTTP forbids.
        """
        if self._h11.our_state is h11.DONE:
            self._h11.start_next_cycle()
        data = self._encode(method, target, headers, body)
        self._head, self._max_body = None, max_body
        self._body.clear()
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._answer = answer
        if self._transport is None or self._transport.is_closing():
            raise HttpFailed("the server closed the connection")
        self._transport.write(data)
        try:
            return await answer
        except BaseException:
            self.abort()
            raise

    def _encode(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        fields = [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers.items()
        ]
        if body or method == "POST":
            fields.append((b"Content-Length", b"%d" % len(body)))
        try:
            head = self._h11.send(h11.Request(method=method, target=target, headers=fields))
        except h11.LocalProtocolError:  # its text contains the header's value, which may be a token
            raise ValueError(
                "a header must be one line of plain text: a token or header contains a line break or a blank"
            ) from None
        sent = [head, self._h11.send(h11.Data(data=body)) if body else b"", self._h11.send(h11.EndOfMessage())]
        return b"".join(part or b"" for part in sent)

    def _advance(self) -> None:
        try:
            while self._answer and not self._answer.done():
                event = self._h11.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                self._take(event)
        except h11.RemoteProtocolError as error:
            self._fail(f"the response is not valid HTTP/1.1: {error}")

    def _take(self, event: object) -> None:
        if isinstance(event, (h11.InformationalResponse, h11.Response)):
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
            self._head = Response(event.status_code, event.reason.decode("latin-1"), headers)
            if self._h11.their_state is h11.SWITCHED_PROTOCOL:
                assert self._transport
                self._transport.pause_reading()  # the bytes that follow belong to the next protocol
                self._done()
        elif isinstance(event, h11.Data):
            self._body += event.data
            self._limit_body()
        elif isinstance(event, h11.EndOfMessage):
            self._note_keep_alive()
            self._done()
        elif isinstance(event, h11.ConnectionClosed):
            self._fail(_NO_RESPONSE)

    def _limit_body(self) -> None:
        assert self._head
        if not 200 <= self._head.status < 300:
            if len(self._body) > _MAX_ERROR_BODY:
                del self._body[_MAX_ERROR_BODY:]
                self._done()
                self.abort()
        elif len(self._body) > self._max_body:
            self._fail(f"the response is larger than the {self._max_body:,} bytes allowed")

    def _note_keep_alive(self) -> None:
        assert self._head
        timeout = _KEEP_ALIVE.search(self._head.header("keep-alive"))
        seconds = int(timeout[1]) - _KEEP_ALIVE_MARGIN if timeout else _DEFAULT_KEEP_ALIVE
        self._usable_until = asyncio.get_running_loop().time() + seconds

    def _done(self) -> None:
        assert self._head
        assert self._answer
        coding = self._head.header("content-encoding").lower()
        if self._body and coding not in ("", "identity"):
            self._fail(f"the response is encoded as {coding}, which was not requested")
        else:
            head = self._head
            self._answer.set_result(Response(head.status, head.reason, head.headers, bytes(self._body)))

    def _fail(self, reason: str) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(HttpFailed(reason))
        self.abort()

    # -- the end

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """Give the connection to another protocol, after a 101 or an accepted CONNECT, with the bytes read since."""
        transport = self.detach()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        rest, _ = self._h11.trailing_data
        if rest:
            protocol.data_received(rest)
        transport.resume_reading()

    def detach(self) -> asyncio.Transport:
        """Return the asyncio transport, paused, and forget it."""
        assert self._transport
        transport, self._transport = self._transport, None
        return transport

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport:
            self._transport.abort()

    @property
    def descriptor(self) -> int | None:
        """The file descriptor of the socket, if it is open."""
        return descriptor_of(self._transport)


def descriptor_of(transport: asyncio.BaseTransport | None) -> int | None:
    """Return the file descriptor of a transport's socket, if it is open."""
    socket = transport.get_extra_info("socket") if transport else None
    descriptor = socket.fileno() if socket else -1
    return descriptor if descriptor >= 0 else None
