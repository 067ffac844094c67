"""The stage of utilities.js."""

from __future__ import annotations

from typing import Any


def utilities(io: Any, t: Any) -> None:
    sockets: dict[str, Any] = {}

    @io.on("connection")
    def connected(socket: Any) -> None:
        name = socket.auth["name"]
        sockets[name] = socket
        socket.data["name"] = name
        socket.join(socket.auth["rooms"])

    io.of("/other")
    chains = {
        "all": lambda: io,
        "room": lambda: io.in_("r1"),
        "except": lambda: io.except_("r1"),
        "others": lambda: sockets["a"].broadcast,
        "nobody": lambda: io.in_("nowhere"),
        "namespace": lambda: io.of("/"),
        "local": lambda: io.local,
        "other": lambda: io.of("/other"),
    }

    def names(found: list[Any]) -> list[str]:
        return sorted(socket.data["name"] for socket in found)

    async def fetched() -> Any:
        (socket,) = await io.in_(sockets["a"].id).fetch_sockets()
        return socket

    async def fetch(chain: str) -> list[str]:
        return names(await chains[chain]().fetch_sockets())

    async def within(room: str) -> list[str]:
        return names(await io.in_(room).fetch_sockets())

    async def remote() -> list[Any]:
        socket = await fetched()
        return [socket.id == sockets["a"].id, "r1" in socket.rooms, socket.data, socket.handshake.auth["name"]]

    async def remote_join() -> None:
        (await fetched()).join("new")

    async def remote_emit() -> None:
        (await fetched()).emit("x")

    async def remote_disconnect() -> None:
        (await fetched()).disconnect()

    def reserved() -> str:
        try:
            io.server_side_emit("connection")
        except ValueError:
            return "refused"
        return "emitted"

    t.command(fetch)
    t.command(remote)
    t.commands["join"] = lambda chain, rooms: chains[chain]().sockets_join(rooms)
    t.commands["leave"] = lambda chain, rooms: chains[chain]().sockets_leave(rooms)
    t.commands["disconnect"] = lambda chain, *args: chains[chain]().disconnect_sockets(*args)
    t.commands["in"] = within
    t.commands["remote join"] = remote_join
    t.commands["remote emit"] = remote_emit
    t.commands["remote disconnect"] = remote_disconnect
    t.commands["count"] = lambda: len(io.engine.sessions)
    t.commands["sockets"] = lambda: len(io.of("/").sockets)
    t.commands["by id"] = lambda: io.sockets.sockets[sockets["a"].id] is sockets["a"]
    t.commands["server side"] = lambda: io.server_side_emit("x", 1)
    t.commands["server side reserved"] = reserved
