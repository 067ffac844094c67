"""How many events a second a client takes in its handlers, and what an event costs.

A peer in another process answers as a hub does and then sends ready-made frames as fast as they are taken::

    python benchmarks/client.py [events]

Prints events per second, CPU time per event of the client's process (all its threads), and the bytes of a frame.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from typing import Any

import jupyter_rtmsg as rt
from jupyter_rtmsg.wire.engineio import OpenPacket
from jupyter_rtmsg.wire.socketio import CONNECT, EVENT, Decoder, encode_ack, encode_connect, encode_event
from jupyter_rtmsg.wire.websocket import TEXT, FrameParser, accept_value, encode_frame

ROOM = "lab"


def frames(number: int) -> list[bytes]:
    """Return the frames of a stream of metrics."""
    sender = {"user": "alice", "kind": "kernel", "member": "0123456789abcdef"}
    chunks = []
    for seq in range(1, number + 1):
        meta = {"room": ROOM, "seq": seq, "prev": seq - 1, "ts": 1_795_000_000_000, "from": sender, "id": f"a1b2-{seq}"}
        data = {"loss": 0.125, "step": seq, "note": "an event of ordinary size"}
        chunks.append(encode_event(["metric", data, meta, str(seq)]).websocket)
    return chunks


class Peer(asyncio.Protocol):
    """As much of a hub as a client needs to join one room."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks
        self._parser = FrameParser(masked=True, max_size=1_000_000)
        self._decoder = Decoder()
        self._head = b""
        self._can_write = asyncio.Event()
        self._can_write.set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._upgrade(data)
            return
        for message in self._parser.feed(data):
            if isinstance(message, str) and message[:1] == "4":
                self._packet(self._decoder.feed(message))

    def _upgrade(self, data: bytes) -> None:
        self._head += data
        key = self._head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
        answer = f"HTTP/1.1 101 \r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept_value(key)}\r\n\r\n"
        self._head = None  # type: ignore[assignment]
        self._transport.write(answer.encode())
        self._transport.write(encode_frame(TEXT, OpenPacket("s", 25, 20, 1_000_000).encode().encode()))

    def _packet(self, packet: Any) -> None:
        if packet.type is CONNECT:
            self._transport.write(encode_connect({"sid": "x"}).websocket)
        elif packet.type is EVENT:
            reply = {"ok": True, "epoch": "e", "head": 0, "cursor": 0, "missed": None, "members": [], "count": 1}
            reply |= {"events": [], "more": False, "through": len(self._chunks), "recovered": True, "first": 1}
            self._transport.write(encode_ack(packet.id, [reply]).websocket)
            if packet.data[0] == "publish":  # the sign to begin
                self._task = asyncio.ensure_future(self._stream())

    async def _stream(self) -> None:
        for at in range(0, len(self._chunks), 200):
            await self._can_write.wait()
            self._transport.write(b"".join(self._chunks[at : at + 200]))


async def serve(number: int) -> None:
    chunks = frames(number)
    server = await asyncio.get_running_loop().create_server(lambda: Peer(chunks), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], len(chunks[-1]), flush=True)
    await server.serve_forever()


def measure(url: str, number: int) -> tuple[float, float]:
    """Return events per second, and microseconds of CPU per event."""
    done = threading.Event()
    with rt.Client(url, "x") as hub:
        room = hub.join(ROOM)
        seen = 0

        @room.on("metric")
        def count(event: rt.Event) -> None:
            nonlocal seen
            seen += 1
            if event.seq != seen:
                raise RuntimeError(f"event {event.seq} came as number {seen}")
            if seen == number:
                done.set()

        time.sleep(0.2)  # the handler's start
        start, cpu = time.perf_counter(), time.process_time()
        room.emit("go", wait=False)
        if not done.wait(120):
            raise RuntimeError(f"only {seen} of {number} events came")
        return number / (time.perf_counter() - start), (time.process_time() - cpu) / number * 1e6


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with subprocess.Popen([sys.executable, __file__, "--peer", str(number)], stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdout
        port, size = peer.stdout.readline().split()
        try:
            rate, cost = measure(f"http://127.0.0.1:{port}/", number)
            print(f"{rate:,.0f} events/s in handlers, {cost:.1f} us of CPU per event, {size} bytes per frame")
        finally:
            peer.kill()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        asyncio.run(serve(int(sys.argv[2])))
    else:
        main()
