"""How fast a pure-Python Socket.IO endpoint behind Tornado can be: a ceiling, not a server.

Tornado does the HTTP handshake; then the socket is handed to an asyncio.Protocol that parses every frame of a read at
once, frames a broadcast once, appends it by reference to each member's outbox (so that a member's order is the order of
emission), and writes each outbox once per loop tick. It has no rooms API, no checks, no heartbeat, no back-pressure, no
TLS: a real server pays for those, and its distance to this file is what the benchmark watches.

    python ceiling.py PORT
"""

from __future__ import annotations

import asyncio
import struct
import sys

import msgspec
import tornado.web
import tornado.websocket
from tornado.util import _websocket_mask

decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
rooms: dict[str, set[Peer]] = {}
dirty: list[Peer] = []
OPEN = b'0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


def frame(payload: bytes) -> bytes:
    n = len(payload)
    if n < 126:
        return bytes((0x81, n)) + payload
    return (b"\x81\x7e" + struct.pack("!H", n) if n < 65536 else b"\x81\x7f" + struct.pack("!Q", n)) + payload


def flush() -> None:
    peers = dirty[:]
    dirty.clear()
    join = b"".join
    for peer in peers:
        out, peer.out = peer.out, []
        peer.transport.write(join(out) if len(out) > 1 else out[0])


class Peer(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.buffer = b""
        self.out: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.loop = asyncio.get_running_loop()
        self.send(OPEN)

    def connection_lost(self, exc: Exception | None) -> None:
        for members in rooms.values():
            members.discard(self)

    def send(self, payload: bytes) -> None:
        self.put(frame(payload))

    def put(self, chunk: bytes) -> None:
        if not self.out:
            if not dirty:
                self.loop.call_soon(flush)
            dirty.append(self)
        self.out.append(chunk)

    def data_received(self, data: bytes) -> None:
        buf = self.buffer + data if self.buffer else data
        at, end = 0, len(buf)
        while end - at >= 6:
            n, head = buf[at + 1] & 127, 6
            if n == 126:
                if end - at < 8:
                    break
                n, head = (buf[at + 2] << 8) | buf[at + 3], 8
            stop = at + head + n
            if stop > end:
                break
            self.receive(_websocket_mask(buf[at + head - 4 : at + head], buf[at + head : stop]))
            at = stop
        self.buffer = buf[at:]

    def receive(self, packet: bytes) -> None:
        if packet[:2] == b"42":
            start = packet.index(b"[")
            args = decode(packet[start:])
            if args[0] == "join":
                rooms.setdefault(args[1], set()).add(self)
            elif args[0] == "echo":
                self.send(b"43" + packet[2:start] + b'["ok"]')
            elif args[0] == "pub":
                chunk = frame(b"42" + encode(["msg", args[2]]))
                for peer in rooms[args[1]]:
                    peer.put(chunk)
        elif packet[:2] == b"40":
            self.send(b'40{"sid":"x"}')


class Handler(tornado.websocket.WebSocketHandler):
    async def get(self) -> None:
        accept = tornado.websocket.WebSocketProtocol13.compute_accept_value(self.request.headers["Sec-WebSocket-Key"])
        stream = self.detach()
        await stream.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
        )
        sock = stream.socket.dup()
        sock.setblocking(False)
        stream.close()
        await asyncio.get_running_loop().connect_accepted_socket(Peer, sock)


async def main() -> None:
    tornado.web.Application([(r"/socket.io/", Handler)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
