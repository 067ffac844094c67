"""The rooms of a namespace and their members (docs/protocol.md#socketio-rooms). Clients are not told of them."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping
from math import isnan
from numbers import Integral
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from jupyter_rtmsg.logthrottle import throttled_logger

from .listeners import Emitter, Handler

logger = throttled_logger(__name__)
_EVENTS = ("create_room", "delete_room", "join_room", "leave_room")


Room: TypeAlias = "str | float"
"""The name of a room: text or a number. 42 and "42" are two rooms, 1 and 1.0 are one."""


class RoomMember(Protocol):
    """The part of a `Socket` that `Rooms` uses.

    Attributes
    ----------
    id : str
    joined : set of Room
        The rooms that it has joined, changed by `Rooms` alone while the socket is connected.
    """

    id: str
    joined: set[Room]


M = TypeVar("M", bound=RoomMember)


def names(rooms: Iterable[Room | Iterable[Room]]) -> Iterator[Room]:
    """Yield each room of a call's arguments, which are rooms or collections of rooms.

    Raises
    ------
    TypeError
        If a room is neither a str nor a number.
    ValueError
        If a room is NaN.
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
        raise ValueError("a room cannot be named NaN: NaN equals nothing, so the room could not be found")
    return room  # type: ignore[return-value]


class Rooms(Emitter, Generic[M]):
    """The rooms of a namespace.

    Every socket is also the only member of the room that is named by its id. No entry is kept for that room: it is
    looked up among the sockets.

    Parameters
    ----------
    sockets : dict
        The sockets of the namespace by id.
    """

    def __init__(self, sockets: dict[str, M]) -> None:
        super().__init__()
        self._sockets = sockets
        self._members: dict[Room, dict[str, M]] = {}  # by room, then by id, in the order of joining

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Register a handler for an event of rooms; also a decorator.

        Parameters
        ----------
        event : str
            ``"create_room"`` and ``"delete_room"`` are called with the room's name, ``"join_room"`` and
            ``"leave_room"`` with the name and the socket's id. Socket.IO's spelling with a hyphen is accepted, too.
        handler : callable
            Not a coroutine function: it is called in the middle of a change.
        """
        if inspect.iscoroutinefunction(handler):
            raise TypeError("a handler of an event of rooms cannot be a coroutine function")
        return super().on(event, handler)

    def _event(self, name: str) -> str:
        if name.replace("-", "_") not in _EVENTS:
            raise ValueError(f"rooms have the events {', '.join(_EVENTS)}, not {name!r}")
        return name.replace("-", "_")

    def add(self, room: Room, socket: M) -> None:
        """Add a socket to a room.

        Raises
        ------
        ValueError
            If the room's name is another socket's id.
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
        if self.handlers:
            self._entered(room, socket.id, created=len(members) == 1)

    def discard(self, room: Room, socket: M) -> None:
        """Remove a socket from a room."""
        members = self._members.get(room)
        if members and members.pop(socket.id, None):
            socket.joined.discard(room)
            if not members:
                del self._members[room]
            if self.handlers:
                self._left(room, socket.id, deleted=not members)

    def opened(self, socket: M) -> None:
        """Call the handlers for the room that is named by a new socket's id."""
        if self.handlers:
            self._entered(socket.id, socket.id, created=True)

    def clear(self, socket: M) -> None:
        """Remove a socket from all rooms."""
        if self.handlers:
            self._left(socket.id, socket.id, deleted=True)
        for room in tuple(socket.joined):
            self.discard(room, socket)

    def members(self, room: Room) -> Collection[M]:
        """Return the sockets of a room."""
        members = self._members.get(room)
        if members is not None:
            return members.values()
        own = self._sockets.get(room) if isinstance(room, str) else None
        return (own,) if own else ()

    def select(self, rooms: Collection[Room], excluded: Collection[Room] = ()) -> Collection[M]:
        """Return the sockets in ``rooms`` (all sockets if empty) that are in no excluded room, each socket once."""
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
            self._notify("create_room", room)
        self._notify("join_room", room, id)

    def _left(self, room: Room, id: str, *, deleted: bool) -> None:
        self._notify("leave_room", room, id)
        if deleted:
            self._notify("delete_room", room)

    def _notify(self, event: str, *args: Room) -> None:
        for handler in self.handlers.get(event, ()):
            try:
                handler(*args)
            except Exception:
                logger.exception("a handler of %r raised", event)
