"""The stage of disconnects.js."""

from __future__ import annotations

from typing import Any


def disconnects(io: Any, t: Any) -> None:
    sockets: list[Any] = []

    @io.on("connection")
    def connected(socket: Any) -> None:
        def gone(reason: str) -> None:
            t.note(["disconnect", reason])
            t.note(["connected", socket.connected, socket.id in io.sockets.sockets])
            socket.join("room")

        @socket.on("kick")
        def kick() -> None:
            socket.emit("bye")
            socket.disconnect()

        @socket.on("kick twice")
        def kick_twice() -> None:
            socket.disconnect()
            socket.disconnect()

        @socket.on("kick all")
        def kick_all() -> None:
            socket.emit("bye")
            socket.disconnect(True)

        @socket.on("kick and ack")
        def kick_and_ack() -> int:
            socket.disconnect()
            return 1

        @socket.on("cut")
        def cut() -> None:
            socket.emit("bye")
            socket.conn.close()

        sockets.append(socket)
        socket.on("disconnecting", lambda reason: t.note(["disconnecting", reason]))
        socket.on("disconnect", gone)
        socket.on("note", lambda number: t.note(["note", number]))
        if socket.auth.get("kick"):
            socket.disconnect()

    @io.of("/other").on("connection")
    def other(socket: Any) -> None:
        socket.on("disconnect", lambda reason: t.note(["other", reason]))

    t.commands["kick"] = lambda *args: sockets[-1].disconnect(*args)
    t.commands["cut"] = lambda: sockets[-1].conn.close()
    t.commands["state"] = lambda: [sockets[-1].connected, len(io.sockets.sockets), len(sockets[-1].rooms)]
    t.commands["emit"] = lambda *args: sockets[-1].emit(*args)
