"""The stage of catchall.js."""

from __future__ import annotations

from typing import Any


def catchall(io: Any, t: Any) -> None:
    @io.on("connection")
    def connected(socket: Any) -> None:
        def second(event: str, *args: Any) -> None:
            t.note(["second", event])

        def out() -> None:
            socket.on_any_outgoing(lambda event, *args: t.note(["out", event, *args]))
            socket.prepend_any_outgoing(lambda event, *args: t.note(["before", event]))

        socket.on_any(lambda event, *args: t.note(["any", event, *args]))
        socket.on_any(second)
        socket.prepend_any(lambda event, *args: t.note(["first", event]))
        socket.on("x", lambda *args: t.note("handler"))
        socket.on("ask", lambda: 1)
        socket.on("out", out)
        socket.join("room")
        t.commands["off one"] = lambda: socket.off_any(second)
        t.commands["off all"] = lambda: socket.off_any()
        t.commands["count"] = lambda: len(socket.listeners_any())
        t.commands["count outgoing"] = lambda: len(socket.listeners_any_outgoing())
        t.commands["off outgoing"] = lambda: socket.off_any_outgoing()
        t.commands["emit"] = lambda *args: socket.emit(*args)
        t.commands["broadcast"] = lambda *args: io.emit(*args)
        t.commands["room"] = lambda *args: io.to("room").emit(*args)
        t.commands["others"] = lambda *args: socket.broadcast.emit(*args)
