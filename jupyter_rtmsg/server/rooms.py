"""Who is in which room of a namespace (docs/protocol.md#socketio-rooms): nothing of it is on the wire."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .emitter import Emitter, Handler

if TYPE_CHECKING:
    from .socket import Socket

logger = logging.getLogger(__name__)
_EVENTS = ("create_room", "delete_room", "join_room", "leave_room")


def names(rooms: Iterable[str | Iterable[str]]) -> Iterator[str]:
    """Give each of the rooms that a call names, by themselves or in collections."""
    for room in rooms:
        if isinstance(room, str):
            yield room
        else:
            yield from room


class Rooms(Emitter):
    """The rooms of a namespace.

    Every socket is also in a room named by its id, which is looked up among the sockets and costs nothing.

    Parameters
    ----------
    sockets : dict
        The sockets of the namespace by id.
    """

    def __init__(self, sockets: dict[str, Socket]) -> None:
        super().__init__()
        self._sockets = sockets
        self._members: dict[str, dict[str, Socket]] = {}  # by room, then by id: dicts keep the order of joining

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Listen to what happens to rooms; also a decorator.

        Parameters
        ----------
        event : str
            ``"create_room"`` and ``"delete_room"`` are called with the room's name, ``"join_room"`` and
            ``"leave_room"`` with the name and the socket's id. Socket.IO spells them with a hyphen: so may you.
        handler : callable
            Not a coroutine function: it is called in the midst of things.
        """
        if event.replace("-", "_") not in _EVENTS:
            raise ValueError(f"rooms have the events {', '.join(_EVENTS)}, not {event!r}")
        if inspect.iscoroutinefunction(handler):
            raise TypeError("a handler of what happens to rooms cannot be a coroutine function")
        return super().on(event.replace("-", "_"), handler)

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove one handler of an event, all of an event, or all."""
        super().off(event and event.replace("-", "_"), handler)

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
        members = self._members.setdefault(room, {})
        if socket.id in members:
            return
        members[socket.id] = socket
        socket.joined.add(room)
        if self._handlers:
            self._entered(room, socket.id, created=len(members) == 1)

    def discard(self, room: str, socket: Socket) -> None:
        """Take a socket out of a room."""
        members = self._members.get(room)
        if members and members.pop(socket.id, None):
            socket.joined.discard(room)
            if not members:
                del self._members[room]
            if self._handlers:
                self._left(room, socket.id, deleted=not members)

    def opened(self, socket: Socket) -> None:
        """A socket is there, and in the room of its own."""
        if self._handlers:
            self._entered(socket.id, socket.id, created=True)

    def clear(self, socket: Socket) -> None:
        """Take a socket out of all rooms."""
        if self._handlers:
            self._left(socket.id, socket.id, deleted=True)
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

    def _entered(self, room: str, id: str, *, created: bool) -> None:
        if created:
            self._tell("create_room", room)
        self._tell("join_room", room, id)

    def _left(self, room: str, id: str, *, deleted: bool) -> None:
        self._tell("leave_room", room, id)
        if deleted:
            self._tell("delete_room", room)

    def _tell(self, event: str, *args: str) -> None:
        for handler in self._handlers.get(event, ()):
            try:
                handler(*args)
            except Exception:
                logger.exception("a handler of %r raised", event)
