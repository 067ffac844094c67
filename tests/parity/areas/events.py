"""The stage of events.js."""

from __future__ import annotations

import datetime
from typing import Any


def events(io: Any, t: Any) -> None:
    @io.on("connection")
    def connected(socket: Any) -> None:
        socket.on("note", lambda *args: t.note(["note", *args]))
        socket.on("echo", lambda *args: socket.emit("echo", *args))
        socket.on("message", lambda text: t.note(["message", text]))
        socket.on("", lambda: t.note("no name"))
        socket.on("error", lambda text: t.note(["error", text]))

        @socket.on("raise")
        def fail() -> None:
            raise RuntimeError(f"run {t.number}")

        @socket.on("reject")
        async def fail_later() -> None:
            raise RuntimeError(f"run {t.number}")

    def first() -> Any:
        return next(iter(io.sockets.sockets.values()))

    def attempt(*args: Any) -> str:
        try:
            io.emit(*args)
        except (ValueError, RecursionError):
            return "refused"
        return "emitted"

    def circle() -> str:
        values: list[Any] = []
        values.append(values)
        return attempt("x", values)

    def burst(count: int, size: int) -> None:
        for number in range(count):
            io.emit("n", number, "x" * size)

    def chain() -> bool:
        return first().on("x", lambda: None) is first()

    t.command(io.emit)
    t.command(io.send)
    t.command(circle)
    t.command(burst)
    t.command(chain)
    t.commands["try"] = attempt
    t.commands["date"] = lambda: io.emit("x", datetime.datetime.fromtimestamp(0, datetime.timezone.utc))
    t.commands["not a number"] = lambda: io.emit("x", float("nan"))
    t.commands["set"] = lambda: io.emit("x", {1})
    t.commands["returned"] = lambda: first().emit("x")
