"""The stage of listeners.js."""

from __future__ import annotations

from typing import Any


def listeners(io: Any, t: Any) -> None:
    @io.on("connection")
    def connected(socket: Any) -> None:
        def one() -> None:
            t.note("one")

        def itself() -> None:
            t.note("self")
            socket.off("self", itself)

        def fail() -> None:
            raise RuntimeError(f"run {t.number}")

        socket.on("two", one)
        socket.on("two", lambda: t.note("other"))
        socket.once("once", lambda number: t.note(["once", number]))
        socket.on("off", one)
        socket.on("off", lambda: t.note("kept"))
        socket.off("off", one)
        socket.on("gone", one)
        socket.off("gone")
        socket.on("same", one)
        socket.on("same", one)
        socket.once("off once", one)
        socket.off("off once", one)
        socket.on("late", lambda: socket.on("late", lambda: t.note("late")) and None)
        socket.on("self", itself)
        socket.on("raises", fail)
        socket.on("raises", lambda: t.note("behind"))
        socket.on("few", lambda a: t.note(["few", a]))
        socket.on("many", lambda a, b, c: t.note(["many", a, b, c]))
        t.commands["listeners"] = lambda event: len(socket.listeners(event))
        t.commands["all off"] = lambda: socket.off("two")

    io.on("connection", lambda socket: t.note("second"))
    io.on("connect", lambda socket: t.note("alias"))
    io.once("connection", lambda socket: t.note("only once"))
