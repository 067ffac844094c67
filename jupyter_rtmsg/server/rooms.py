"""Who is in which room of a namespace (docs/protocol.md#socketio-rooms): nothing of it is on the wire."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping
from math import isnan
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeAlias

from jupyter_rtmsg.logthrottle import throttled_logger

from .emitter import Emitter, Handler

if TYPE_CHECKING:
    from .socket import Socket

logger = throttled_logger(__name__)
_EVENTS = ("create_room", "delete_room", "join_room", "leave_room")


Room: TypeAlias = "str | float"
"""The name of a room: text or a number. 42 and "42" are two rooms, 1 and 1.0 are one."""


def names(rooms: Iterable[Room | Iterable[Room]]) -> Iterator[Room]:
    """Give each of the rooms that a call names, by themselves or in collections.

    Raises
    ------
    TypeError
        If one is neither text nor a number.
    """
    for room in rooms:
        if isinstance(room, str):
            yield room
        elif isinstance(room, (bytes, bytearray, memoryview, Mapping)) or not isinstance(room, Iterable):
            yield _checked(room)
        else:
            yield from map(_checked, room)


def _checked(room: Any) -> Room:
    if isinstance(room, bool) or not isinstance(room, (str, int, float, Integral)):
        words = f"a room is named by a str or a number, or by a collection of them, not by {room!r:.80}"
        raise TypeError(f"{words} ({type(room).__name__})")
    if isinstance(room, float) and isnan(room):
        raise ValueError("a room cannot be named NaN: it equals nothing, so nobody could be found in it")
    return room  # type: ignore[return-value]


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
        self._members: dict[Room, dict[str, Socket]] = {}  # by room, then by id: dicts keep the order of joining

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
        if inspect.iscoroutinefunction(handler):
            raise TypeError("a handler of what happens to rooms cannot be a coroutine function")
        return super().on(event, handler)

    def _event(self, name: str) -> str:
        if name.replace("-", "_") not in _EVENTS:
            raise ValueError(f"rooms have the events {', '.join(_EVENTS)}, not {name!r}")
        return name.replace("-", "_")

    def add(self, room: Room, socket: Socket) -> None:
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

    def discard(self, room: Room, socket: Socket) -> None:
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

    def members(self, room: Room) -> Collection[Socket]:
        """Return the sockets of a room."""
        members = self._members.get(room)
        if members is not None:
            return members.values()
        own = self._sockets.get(room) if isinstance(room, str) else None
        return (own,) if own else ()

    def select(self, rooms: Collection[Room], excluded: Collection[Room] = ()) -> Collection[Socket]:
        """Return the union of rooms (everyone if there is none) minus the union of others, each socket once."""
        if len(rooms) == 1 and not excluded:
            return self.members(next(iter(rooms)))
        chosen = {s.id: s for room in rooms for s in self.members(room)} if rooms else self._sockets
        if not excluded:
            return chosen.values()
        outside = {s.id for room in excluded for s in self.members(room)}
        return [socket for id, socket in chosen.items() if id not in outside]

    def names(self) -> Iterable[Room]:
        """Return the rooms that have members."""
        return self._members.keys()

    def _entered(self, room: Room, id: str, *, created: bool) -> None:
        if created:
            self._tell("create_room", room)
        self._tell("join_room", room, id)

    def _left(self, room: Room, id: str, *, deleted: bool) -> None:
        self._tell("leave_room", room, id)
        if deleted:
            self._tell("delete_room", room)

    def _tell(self, event: str, *args: Room) -> None:
        for handler in self._handlers.get(event, ()):
            try:
                handler(*args)
            except Exception:
                logger.exception("a handler of %r raised", event)
