"""Who is in which room of a namespace (PROTOCOL 2.7): nothing of it is on the wire."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .socket import Socket


class Rooms:
    """The rooms of a namespace.

    Every socket is also in a room named by its id, which is looked up among the sockets and costs nothing.

    Parameters
    ----------
    sockets : dict
        The sockets of the namespace by id.
    """

    def __init__(self, sockets: dict[str, Socket]) -> None:
        self._sockets = sockets
        self._members: dict[str, dict[str, Socket]] = {}  # by room, then by id: dicts keep the order of joining

    def add(self, room: str, socket: Socket) -> None:
        """Put a socket into a room.

        Raises
        ------
        ValueError
            If the room is named like another socket's id: that room is its own.
        """
        if room == socket.id:
            return
        if room in self._sockets:
            raise ValueError(f"room {room!r} belongs to the socket of that id")
        self._members.setdefault(room, {})[socket.id] = socket
        socket.joined.add(room)

    def discard(self, room: str, socket: Socket) -> None:
        """Take a socket out of a room."""
        members = self._members.get(room)
        if members and members.pop(socket.id, None):
            socket.joined.discard(room)
            if not members:
                del self._members[room]

    def clear(self, socket: Socket) -> None:
        """Take a socket out of all rooms."""
        for room in tuple(socket.joined):
            self.discard(room, socket)

    def members(self, room: str) -> Collection[Socket]:
        """Return the sockets of a room."""
        members = self._members.get(room)
        if members is not None:
            return members.values()
        own = self._sockets.get(room)
        return (own,) if own else ()

    def select(self, rooms: Collection[str], excluded: Collection[str] = ()) -> Collection[Socket]:
        """Return the union of rooms (everyone if there is none) minus the union of others, each socket once."""
        if len(rooms) == 1 and not excluded:
            return self.members(next(iter(rooms)))
        chosen = {s.id: s for room in rooms for s in self.members(room)} if rooms else self._sockets
        if not excluded:
            return chosen.values()
        outside = {s.id for room in excluded for s in self.members(room)}
        return [socket for id, socket in chosen.items() if id not in outside]

    def names(self) -> Iterable[str]:
        """Return the rooms that have members."""
        return self._members.keys()
