"""The stage of dynamic.js."""

from __future__ import annotations

import re
from typing import Any


def dynamic(io: Any, t: Any) -> None:
    io.of("/static").on("connection", lambda socket: socket.emit("static"))
    parent = io.of(re.compile(r"/room-\d+"))

    @parent.use
    def middleware(socket: Any) -> None:
        t.note(["middleware", socket.namespace.name])

    @parent.on("connection")
    def connected(socket: Any) -> None:
        socket.join("room")
        socket.emit("welcome", socket.namespace.name)

    def asked(name: str, auth: dict[str, Any]) -> bool:
        t.note(["asked", name])
        return name == "/team" and auth.get("token") == "x"

    io.of(re.compile(r"/loose-\d+")).on("connection", lambda socket: socket.emit("welcome"))
    io.of(asked).on("connection", lambda socket: socket.emit("welcome"))
    io.of(re.compile(r"/st.*")).on("connection", lambda socket: socket.emit("dynamic"))
    io.on("new_namespace", lambda namespace: t.note(["new", namespace.name]))
    t.commands["emit"] = lambda *args: parent.emit(*args)
    t.commands["emit room"] = lambda *args: parent.to("room").emit(*args)
    t.commands["emit child"] = lambda *args: io.of("/room-1").emit(*args)
    t.commands["names"] = lambda: [each.name for each in io.namespaces if each.name.startswith("/room-")]
