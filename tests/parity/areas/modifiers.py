"""The stage of modifiers.js."""

from __future__ import annotations

from typing import Any


def modifiers(io: Any, t: Any) -> None:
    sockets: dict[str, Any] = {}

    @io.on("connection")
    def connected(socket: Any) -> None:
        sockets[socket.auth["name"]] = socket
        socket.join(socket.auth["rooms"])
        socket.on("tell", lambda *args: socket.broadcast.emit(*args))
        socket.on("tell room", lambda room, *args: socket.to(room).emit(*args))

    chains = {
        "two rooms": lambda: io.to("r1").to("r2"),
        "two rooms from a": lambda: sockets["a"].to("r1").to("r2"),
        "room twice": lambda: io.to("r1").to("r1"),
        "in": lambda: io.in_("r1"),
        "except two": lambda: io.except_(["r2", "r3"]),
        "except own": lambda: io.except_(sockets["b"].id),
        "except without to": lambda: sockets["a"].except_("r2"),
        "in and except the same": lambda: io.to("r1").except_("r1"),
        "nobody": lambda: io.to([]),
        "local": lambda: io.local,
        "volatile": lambda: io.volatile,
        "volatile room": lambda: io.volatile.to("r1"),
        "uncompressed": lambda: io.compress(False),
        "broadcast volatile": lambda: sockets["a"].volatile.broadcast,
        "broadcast to own room": lambda: sockets["a"].to(sockets["a"].id),
        "namespace": lambda: io.of("/").to("r3"),
    }
    io.of("/other")

    @t.command
    def chain(name: str, *args: Any) -> None:
        chains[name]().emit(*args)

    @t.command
    def kept() -> None:
        chain = io.to("r1")
        chain.to("r2")
        chain.emit("x")

    @t.command
    def flag() -> None:
        sockets["a"].volatile.emit("x")
        sockets["a"].emit("y")

    @t.command
    def leaves() -> None:
        chain = io.to("r1")
        sockets["b"].leave("r1")
        chain.emit("x")

    @t.command
    def changed() -> None:
        data = [1]
        io.emit("x", data)
        data.append(2)

    t.commands["bytes"] = lambda: io.to("r1").emit("x", bytes([1, 2]), {"b": bytes([3])})
