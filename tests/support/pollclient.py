"""A raw long-polling client for tests: one TCP connection a request, so that requests may overlap, stall and break."""

from __future__ import annotations

from typing import Any

from support.wsclient import PATIENCE, RawClient, Response, upgrade_request

from jupyter_rtmsg.wire.engineio import OpenPacket

EIO = "EIO=4&transport=polling"


def http_request(
    method: str = "GET", query: str = EIO, body: bytes | None = None, path: str = "/socket.io/", **headers: str | None
) -> bytes:
    """Build a request; a header given as None is left out, ``_`` in its name stands for ``-``."""
    fields: dict[str, str | None] = {"Host": "localhost"}
    if body is not None:
        fields |= {"Content-Type": "text/plain;charset=UTF-8", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path}?{query} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items() if v is not None)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


class Exchange(RawClient):
    """One request under way."""

    async def answer(self) -> Response:
        """Read the answer and close the connection."""
        response = await self.response()
        self.writer.close()
        return response

    async def packets(self) -> list[str]:
        """Read the answer to a GET and return its packets."""
        response = await self.answer()
        assert response.status == 200, (response.status, response.body)
        return response.body.decode().split("\x1e")


class PollClient:
    """One session over polling, or a candidate for one."""

    def __init__(self, port: int, **headers: str | None) -> None:
        self.port = port
        self.headers = headers
        self.opened: OpenPacket | None = None
        self.exchanges: list[RawClient] = []

    @classmethod
    async def open(cls, port: int, query: str = "", **headers: str | None) -> PollClient:
        """Open a session."""
        self = cls(port, **headers)
        exchange = await self.start(query=EIO + query)
        (packet, *self.early) = await exchange.packets()
        self.opened = OpenPacket.decode(packet)
        return self

    early: list[str]

    @property
    def sid(self) -> str:
        assert self.opened is not None
        return self.opened.sid

    @property
    def query(self) -> str:
        """Of a request of this session."""
        return f"{EIO}&sid={self.sid}"

    async def dial(self, *, receive_buffer: int | None = None) -> Exchange:
        """Connect over TCP and say nothing."""
        exchange = await Exchange.dial(self.port, receive_buffer=receive_buffer)
        assert isinstance(exchange, Exchange)
        self.exchanges.append(exchange)
        return exchange

    async def start(self, *args: Any, receive_buffer: int | None = None, **options: Any) -> Exchange:
        """Send a request (see `http_request`)."""
        exchange = await self.dial(receive_buffer=receive_buffer)
        exchange.write(http_request(*args, **{**self.headers, **options}))
        return exchange

    async def poll(self, **options: Any) -> Exchange:
        """Send a GET."""
        return await self.start("GET", self.query, **options)

    async def get(self, **options: Any) -> list[str]:
        """Send a GET and return the packets that answer it."""
        return await (await self.poll(**options)).packets()

    async def post(self, *packets: str, body: bytes | None = None, **options: Any) -> Response:
        """Send packets, or any body, and return the answer."""
        body = "\x1e".join(packets).encode() if body is None else body
        return await (await self.start("POST", self.query, body, **options)).answer()

    async def send(self, *packets: str) -> None:
        """Send packets, which must be taken."""
        response = await self.post(*packets)
        assert (response.status, response.body) == (200, b"ok")

    async def enter(self) -> str:
        """Connect to the namespace ``/`` and return what answered."""
        await self.send("40")
        (packet, *self.early) = await self.get()
        assert packet.startswith('40{"sid":'), packet
        return packet

    async def upgrade(self, query: str = "EIO=4&transport=websocket", **headers: str | None) -> RawClient:
        """Begin an upgrade: the 101 has come, nothing was said."""
        client = await self.dial()
        client.write(upgrade_request(f"{query}&sid={self.sid}", **{**self.headers, **headers}))
        response = await client.response()
        assert response.status == 101, (response.status, response.body)
        return client

    async def gone(self) -> bool:
        """Whether the server knows the session no more."""
        return await self.unknown(self.sid)

    async def unknown(self, sid: str) -> bool:
        """Whether the server knows no session of this id."""
        response = await (await self.start("POST", f"{EIO}&sid={sid}", b"3")).answer()
        return response.status == 400 and response.json() == {"code": 1, "message": "Session ID unknown"}

    async def waits(self, exchange: Exchange) -> bool:
        """Whether a request is still not answered when another, sent later, is."""
        await self.unknown("nobody")
        return not exchange.reader._buffer and not exchange.reader.at_eof()  # type: ignore[attr-defined]

    def close(self) -> None:
        """Drop all connections."""
        for exchange in self.exchanges:
            exchange.writer.close()


__all__ = ["EIO", "PATIENCE", "Exchange", "PollClient", "Response", "http_request"]
