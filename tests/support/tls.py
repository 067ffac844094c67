"""A Socket.IO server over TLS on the test's loop, and a client that knows its certificate from a file."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jupyter_rtmsg as rt
from jupyter_rtmsg.client.route import Found
from jupyter_rtmsg.server import Server


class At:
    """A search that finds one place."""

    def __init__(self, url: str, cafile: Path | None) -> None:
        self.places = [Found(url, None, "RTMSG_URL", cafile=str(cafile) if cafile else None)]

    def renewed(self, found: Found) -> None: ...
    def instead_of(self, found: Found) -> None: ...

    def hint(self, found: Found) -> str:
        return ""


@asynccontextmanager
async def serving(certificate: Path) -> AsyncIterator[str]:
    """Serve Socket.IO over TLS, through a relay; yield its URL."""
    io = Server()
    port = await io.listen()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, upstream[1]), pump(upstream[0], writer))

    relaying = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{relaying.sockets[0].getsockname()[1]}/"
    relaying.close()
    await io.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except OSError:
        pass
    finally:
        writer.close()


async def connects(url: str, cafile: Path | None, tls: ssl.SSLContext | None = None) -> bool:
    client = rt.SocketClient("", tls=tls, _search=At(url, cafile))
    await client.connect()
    connected = client.connected
    await client.disconnect()
    return connected
