"""The stage of rooms.js."""

from __future__ import annotations

from typing import Any


def rooms(io: Any, t: Any) -> None:
    sockets: dict[str, Any] = {}
    adapter = io.of("/").adapter

    def name(id: Any) -> Any:
        for key, socket in sockets.items():
            if socket.id == id:
                return key
        return "own" if len(str(id)) == 20 else id

    def rooms_of(key: str) -> list[Any]:
        socket = sockets[key]
        return sorted(("own" if room == socket.id else room for room in socket.rooms), key=str)

    def hears(event: str) -> None:
        adapter.on(event, lambda *args: t.note([event, *map(name, args)]))

    for event in ("create-room", "delete-room", "join-room", "leave-room"):
        hears(event)

    @io.on("connection")
    def connected(socket: Any) -> None:
        key = socket.auth["name"]
        sockets[key] = socket
        socket.on("disconnecting", lambda reason: t.note(["disconnecting", rooms_of(key)]))
        socket.on("disconnect", lambda reason: t.note(["disconnect", rooms_of(key)]))

    def join_own(key: str, other: str) -> str:
        try:
            sockets[key].join(sockets[other].id)
        except ValueError:
            return "refused"
        return "joined"

    t.commands["rooms"] = rooms_of
    t.commands["join"] = lambda key, *args: sockets[key].join(*args)
    t.commands["join own"] = join_own
    t.commands["leave"] = lambda key, room: sockets[key].leave(room)
    t.commands["leave own"] = lambda key: sockets[key].leave(sockets[key].id)
    t.commands["leave all"] = lambda key: sockets[key].leave_all()
    t.commands["to"] = lambda room, *args: io.to(room).emit(*args)
    t.commands["to own"] = lambda key, *args: io.to(sockets[key].id).emit(*args)
    t.commands["names"] = lambda: list(adapter.names())
    t.commands["members"] = lambda room: sorted(name(socket.id) for socket in adapter.members(room))
    t.commands["disconnect"] = lambda key: sockets[key].disconnect()
