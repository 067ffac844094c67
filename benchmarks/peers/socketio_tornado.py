"""The twin of app.py on python-socketio and Tornado."""

import asyncio
import sys
from typing import Any

import socketio
import tornado.web

io = socketio.AsyncServer(async_mode="tornado", cors_allowed_origins="*")


@io.event
async def join(sid: str, room: str) -> None:
    await io.enter_room(sid, room)


@io.event
async def pub(sid: str, room: str, data: Any) -> None:
    await io.emit("msg", data, room=room)


@io.event
async def echo(sid: str, data: Any) -> str:
    return "ok"


async def main() -> None:
    app = tornado.web.Application([(r"/socket.io/", socketio.get_tornado_handler(io))])
    app.listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
