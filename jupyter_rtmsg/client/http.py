"""An HTTP/1.1 connection: one request at a time, each with its answer, or a change to another protocol.

h11 knows the syntax and the order of things (docs/decisions/0008-h11-for-http.md); this is its I/O on asyncio.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import h11

_MAX_HEAD = 64 * 1024
_MAX_MESSAGE = 64 * 1024  # of the body of a refusal, which is read for what it says
_KEEP_ALIVE = re.compile(r"\btimeout\s*=\s*(\d+)", re.IGNORECASE)
_IDLE = 4.0  # seconds: servers that do not say how long they keep a connection keep it for 5 or longer
_MARGIN = 1.0
_UNANSWERED = "the server closed the connection unanswered"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. The names of ``headers`` are in lower case."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return the first header of a name in lower case, or an empty string."""
        return next((value for key, value in self.headers if key == name), "")


class HttpFailed(ConnectionError):
    """There was a connection, but what came was no answer of HTTP/1.1, or none came."""


class HttpRefused(Exception):
    """The server answered with another status than the one that was needed.

    Parameters
    ----------
    status : int
    body : str
        At most 64 KiB of what it said.
    location : str
        Where a redirect leads.
    """

    def __init__(self, status: int, body: str, location: str = "") -> None:
        said = " ".join(body.split())[:200]  # one line, also of a page of HTML
        super().__init__(f"HTTP {status}: {said}" if said else f"HTTP {status}")
        self.status = status
        self.body = body
        self.location = location

    @classmethod
    def by(cls, response: Response) -> HttpRefused:
        """Make the error of a response."""
        return cls(response.status, response.body.decode(errors="replace"), response.header("location"))


class HttpConnection(asyncio.Protocol):
    """The protocol of a connection to a server or a proxy; dialled by `dial`.

    It is used by one task: `request`, again `request` while `reusable`, or `hand_over` after a 101 or an accepted
    CONNECT. Whoever has it ends it with `abort`.
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
        """Learn what to write to."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no class of asyncio

    def data_received(self, data: bytes) -> None:
        """Take what was read."""
        self._h11.receive_data(data)
        if self._answer and not self._answer.done():
            self._advance()
        elif self._h11.their_state is not h11.SWITCHED_PROTOCOL:
            self.abort()  # a server that speaks unasked, such as a 408 before it closes

    def eof_received(self) -> None:
        """Take the end of the stream: it may be the end of an answer, too."""
        if self._head is None and not self._h11.trailing_data[0]:
            self._fail(_UNANSWERED)
        else:
            self._h11.receive_data(b"")
            self._advance()

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the request that is under way."""
        self._fail(str(error) if error else _UNANSWERED)

    # -- requests

    @property
    def reusable(self) -> bool:
        """Whether another request may be made: the server neither said otherwise nor is likely to hang up just now.

        A POST that meets a closing connection is lost, and with it the session: so servers' times are kept to
        (``Keep-Alive: timeout=5``).
        """
        alive = self._transport is not None and not self._transport.is_closing()
        done = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE and not self._h11.trailing_data[0]
        return alive and done and asyncio.get_running_loop().time() < self._usable_until

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"", max_body: int = _MAX_MESSAGE
    ) -> Response:
        """Send a request, and return its answer.

        Parameters
        ----------
        method, target : str
        headers : mapping
            ``Content-Length`` is added when there is a body.
        body : bytes
        max_body : int
            The largest body of an answer that is taken, in bytes. Answers of other statuses than 2xx are cut off at
            64 KiB.

        Raises
        ------
        HttpFailed
            If the connection breaks, or what comes is no HTTP/1.1. The connection is closed.
        ValueError
            If a header cannot be sent.
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
        except h11.LocalProtocolError:  # its text holds the header's value, which may be a token
            raise ValueError(
                "a header must be one line of plain text: a token or header holds a line break or a blank"
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
            self._fail(f"no answer of HTTP/1.1: {error}")

    def _take(self, event: object) -> None:
        if isinstance(event, (h11.InformationalResponse, h11.Response)):
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
            self._head = Response(event.status_code, event.reason.decode("latin-1"), headers)
            if self._h11.their_state is h11.SWITCHED_PROTOCOL:
                assert self._transport
                self._transport.pause_reading()  # what comes next is for another protocol
                self._done()
        elif isinstance(event, h11.Data):
            self._body += event.data
            self._check()
        elif isinstance(event, h11.EndOfMessage):
            self._keep()
            self._done()
        elif isinstance(event, h11.ConnectionClosed):
            self._fail(_UNANSWERED)

    def _check(self) -> None:
        assert self._head
        if not 200 <= self._head.status < 300:
            if len(self._body) > _MAX_MESSAGE:
                del self._body[_MAX_MESSAGE:]
                self._done()
                self.abort()
        elif len(self._body) > self._max_body:
            self._fail(f"an answer of more than the {self._max_body:,} bytes allowed")

    def _keep(self) -> None:
        assert self._head
        said = _KEEP_ALIVE.search(self._head.header("keep-alive"))
        patience = int(said[1]) - _MARGIN if said else _IDLE
        self._usable_until = asyncio.get_running_loop().time() + patience

    def _done(self) -> None:
        assert self._head
        assert self._answer
        coding = self._head.header("content-encoding").lower()
        if self._body and coding not in ("", "identity"):
            self._fail(f"an answer in {coding}, which was not asked for")
        else:
            head = self._head
            self._answer.set_result(Response(head.status, head.reason, head.headers, bytes(self._body)))

    def _fail(self, said: str) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(HttpFailed(said))
        self.abort()

    # -- its end

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """Let another protocol go on, after a 101 or an accepted CONNECT; it gets what was read behind that."""
        transport = self.detach()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        rest, _ = self._h11.trailing_data
        if rest:
            protocol.data_received(rest)
        transport.resume_reading()

    def detach(self) -> asyncio.Transport:
        """Give the asyncio transport away; it does not read."""
        assert self._transport
        transport, self._transport = self._transport, None
        return transport

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport:
            self._transport.abort()

    @property
    def descriptor(self) -> int | None:
        """The descriptor of the socket, if it is open."""
        return descriptor_of(self._transport)


def _latin(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def descriptor_of(transport: asyncio.BaseTransport | None) -> int | None:
    """Return the descriptor of a transport's socket, if it is open."""
    socket = transport.get_extra_info("socket") if transport else None
    descriptor = socket.fileno() if socket else -1
    return descriptor if descriptor >= 0 else None
