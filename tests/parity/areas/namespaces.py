"""The stage of namespaces.js."""

from __future__ import annotations

from typing import Any


def namespaces(io: Any, t: Any) -> None:
    sockets: dict[str, Any] = {}

    def serve(name: str) -> None:
        @io.of(name).on("connection")
        def connected(socket: Any) -> None:
            sockets[name] = socket
            socket.join("room")
            socket.on("where", lambda: socket.namespace.name)
            socket.on("disconnect", lambda reason: t.note([name, reason]))

    io.on("new_namespace", lambda namespace: t.note(["new", namespace.name]))
    for name in ("/", "/a", "/b", "/umläut"):
        serve(name)
    t.commands["emit"] = lambda name, *args: io.of(name).emit(*args)
    t.commands["emit room"] = lambda name, *args: io.of(name).to("room").emit(*args)
    t.commands["kick"] = lambda name: sockets[name].disconnect()
    t.commands["same"] = lambda name: io.of(name) is io.of(name)
    t.commands["slash"] = lambda: io.of("a") is io.of("/a")
    t.commands["root"] = lambda: io.sockets is io.of("/")
    t.commands["size"] = lambda name: len(io.of(name).sockets)
    t.commands["ids"] = lambda: len({socket.id for socket in sockets.values()}) == len(sockets)
    t.commands["one session"] = lambda: sockets["/a"].conn is sockets["/b"].conn
    t.commands["make"] = lambda name: io.of(name) and None
