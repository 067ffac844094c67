"""The twin of app.py on python-socketio and uvicorn, with uvloop."""

import sys
from typing import Any

import socketio
import uvicorn

io = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")


@io.event
async def join(sid: str, room: str) -> None:
    await io.enter_room(sid, room)


@io.event
async def pub(sid: str, room: str, data: Any) -> None:
    await io.emit("msg", data, room=room)


@io.event
async def echo(sid: str, data: Any) -> str:
    return "ok"


uvicorn.run(socketio.ASGIApp(io), host="127.0.0.1", port=int(sys.argv[1]), log_level="error", loop="uvloop")
