"""Namespaces that come into being when a client asks for them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any

from .emitter import Handler
from .namespace import Middleware, Namespace

if TYPE_CHECKING:
    from .broadcast import BroadcastOperator
    from .namespaces import Namespaces
    from .rooms import Room
    from .socket import Socket

Matcher = re.Pattern[str] | Callable[[str, dict[str, Any]], bool | Awaitable[bool]]


class ParentNamespace(Namespace):
    """A pattern or function, and what all the namespaces have in common whose names it takes.

    Its middlewares and handlers are asked and called before those of the child. What is emitted with it goes to the
    sockets of all children.

    Attributes
    ----------
    matcher : re.Pattern or callable
        A pattern must match the whole name, with its slash. A function is called with the name and the ``auth`` of the
        client that asks for it; it may be async.
    """

    def __init__(self, namespaces: Namespaces, matcher: Matcher) -> None:
        super().__init__(namespaces.server, f"/_{len(namespaces.parents)}")
        self.matcher = matcher
        self._namespaces = namespaces

    @property
    def children(self) -> list[Namespace]:
        """The namespaces that it made, and that are still there."""
        return self._namespaces.children_of(self)

    def broadcast(self, args: list[Any], chain: BroadcastOperator) -> None:
        """Emit to those whom a chain names, in all children."""
        for child in self.children:
            child.broadcast(args, chain)

    def select(self, rooms: Collection[Room], excluded: Collection[Room]) -> list[Socket]:
        """Return the sockets of some rooms in all children."""
        return [socket for child in self.children for socket in child.select(rooms, excluded)]

    def greeters(self) -> tuple[Handler, ...]:
        """Return the handlers of ``"connection"``."""
        return self._greeters()


class ChildNamespace(Namespace):
    """A namespace that a client asked for."""

    def __init__(self, parent: ParentNamespace, name: str) -> None:
        super().__init__(parent.server, name)
        self.parent = parent

    @property
    def middlewares(self) -> tuple[Middleware, ...]:
        """The parent's, then its own."""
        return (*self.parent.middlewares, *super().middlewares)

    def _greeters(self) -> tuple[Handler, ...]:
        return (*self.parent.greeters(), *super()._greeters())

    def connected(self, socket: Socket) -> None:
        """A socket was accepted: the namespace is here to stay."""
        self.server.namespaces.keep(self)
        super().connected(socket)

    def disconnected(self, socket: Socket, reason: str) -> None:
        """A socket is gone."""
        super().disconnected(socket, reason)
        if not self.sockets:
            self.server.namespaces.emptied(self)
