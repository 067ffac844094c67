"""The namespaces of a server, and the patterns that create more of them (docs/protocol.md#socketio-namespaces)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from typing import Any
from weakref import WeakValueDictionary

from jupyter_rtmsg.notebook import RegisteredFunction, name_of

from .broadcast import BroadcastOperator
from .listeners import Handler, function_of, listener
from .namespace import Middleware, Namespace, NamespaceServer
from .rooms import Room
from .socket import Socket

MAX_NAME = 256  # characters in the name of a child namespace

Matcher = re.Pattern[str] | Callable[[str, dict[str, Any]], bool | Awaitable[bool]]


class RootNamespace(Namespace):
    """The namespace ``/``."""

    events = ("connection", "new_namespace")

    def announce(self, namespace: Namespace) -> None:
        """Call the handlers of ``"new_namespace"``."""
        for handler in self.handlers.get("new_namespace", ()):
            try:
                handler(namespace)
            except Exception as error:
                self.failed("a handler of 'new_namespace'", error)


class ParentNamespace(Namespace):
    """A pattern or function that creates child namespaces, and the middlewares and handlers that the children share.

    They are called before the child's own. Events emitted with a parent go to the sockets of all children.

    Attributes
    ----------
    matcher : re.Pattern or callable
        A pattern must match the whole name, with its slash. A function is called with the name and the client's
        ``auth``; it may be async.
    """

    def __init__(self, namespaces: Namespaces, matcher: Matcher) -> None:
        super().__init__(namespaces.server, f"/_{len(namespaces.parents)}")
        self.matcher = matcher
        self._namespaces = namespaces

    def replace_matcher(self, matcher: Matcher) -> None:
        """Use another pattern or function from now on: its cell was run again."""
        self.matcher = matcher

    @property
    def children(self) -> list[Namespace]:
        """The child namespaces that exist."""
        return self._namespaces.children_of(self)

    def broadcast(self, args: list[Any], chain: BroadcastOperator[Socket]) -> None:
        """Emit to the sockets that a chain selects, in all children."""
        for child in self.children:
            child.broadcast(args, chain)

    def select(self, rooms: Collection[Room], excluded: Collection[Room]) -> list[Socket]:
        """Return the sockets of some rooms in all children; see `Rooms.select`."""
        return [socket for child in self.children for socket in child.select(rooms, excluded)]

    def greeters(self) -> tuple[Handler, ...]:
        """Return the handlers of ``"connection"``."""
        return self._greeters()

    async def matches(self, name: str, auth: dict[str, Any]) -> bool:
        """Return whether a client may join a child of this name. If the function raises, it may not."""
        if isinstance(self.matcher, re.Pattern):
            return self.matcher.fullmatch(name) is not None
        try:
            result = self.matcher(name, auth)
            return bool(await result if inspect.isawaitable(result) else result)
        except Exception as error:
            self.failed("the function that chooses names", error)
            return False


class ChildNamespace(Namespace):
    """A namespace that was created for a client.

    Parameters
    ----------
    namespaces : Namespaces
    parent : ParentNamespace
    name : str
    """

    def __init__(self, namespaces: Namespaces, parent: ParentNamespace, name: str) -> None:
        super().__init__(parent.server, name)
        self.parent = parent
        self._namespaces = namespaces

    @property
    def middlewares(self) -> tuple[Middleware, ...]:
        """The parent's middlewares, then this namespace's own."""
        return (*self.parent.middlewares, *super().middlewares)

    def _greeters(self) -> tuple[Handler, ...]:
        return (*self.parent.greeters(), *super()._greeters())

    def connected(self, socket: Socket) -> Coroutine[Any, Any, None] | None:
        """Add a socket. The namespace is kept from now on."""
        self._namespaces.keep(self)
        return super().connected(socket)

    def disconnected(self, socket: Socket, reason: str) -> None:
        """Remove a socket."""
        super().disconnected(socket, reason)
        if not self.sockets:
            self._namespaces.emptied(self)


class Namespaces:
    """The namespaces of a server by name.

    A child is kept once it had a socket. Before that only the clients that wait for their answer refer to it, so names
    that clients make up and are refused for leave nothing behind.

    Parameters
    ----------
    server : Server
    max_children : int
        The number of child namespaces that may exist.
    cleanup : bool
        Whether a child is dropped when its last socket has disconnected.

    Attributes
    ----------
    root : RootNamespace
    parents : list of ParentNamespace
        In the order of `of`; the first that matches a name creates the child.
    """

    def __init__(self, server: NamespaceServer, max_children: int, cleanup: bool) -> None:
        self.server = server
        self.parents: list[ParentNamespace] = []
        self.root = RootNamespace(server, "/")
        self._named: dict[str, Namespace] = {"/": self.root}
        self._children: WeakValueDictionary[str, ChildNamespace] = WeakValueDictionary()
        self._max_children = max_children
        self._cleanup = cleanup

    def __iter__(self) -> Iterator[Namespace]:
        return iter([*self._named.values(), *self.parents])

    def of(self, name: str | Matcher) -> Namespace:
        """Return a namespace, or the parent of a pattern or function; create it if it does not exist.

        Raises
        ------
        ValueError
            If the name has a comma, which ends the namespace in a packet (docs/protocol.md#socketio-grammar).
        """
        if not isinstance(name, str):
            return self._parent(name)
        if "," in name:
            raise ValueError(
                f"a namespace holds no comma, unlike {name!r:.80}: a packet has no way to write one, so that no client "
                "could join it. Replace the comma"
            )
        name = name if name.startswith("/") else "/" + name
        if name not in self._named:
            self._named[name] = self._children.get(name) or self._create(name)
        return self._named[name]

    def may_have(self, name: str) -> bool:
        """Return whether a namespace exists or a parent could create it."""
        return bool(self.parents) or name in self._named

    def find(self, name: str) -> Namespace | None:
        """Return a namespace that a client may join without asking a parent's function; None if there is none."""
        found = self._named.get(name) or self._children.get(name)
        asks = isinstance(found, ChildNamespace) and not isinstance(found.parent.matcher, re.Pattern)
        return None if asks else found

    async def ask(self, name: str, auth: dict[str, Any]) -> Namespace | None:
        """Ask the parents for a namespace; return None if no parent takes the name.

        A function is asked for every client, not only the first, since it may decide by ``auth``.
        """
        for parent in self.parents:
            if len(name) <= MAX_NAME and await parent.matches(name, auth):
                return self._of_parent(parent, name)
        return None

    def keep(self, child: ChildNamespace) -> None:
        """Keep a child: it has a socket."""
        self._named[child.name] = self._children[child.name] = child

    def emptied(self, child: ChildNamespace) -> None:
        """Drop a child without sockets, if so configured."""
        if self._cleanup and self._named.get(child.name) is child:
            del self._named[child.name]

    def children_of(self, parent: ParentNamespace) -> list[Namespace]:
        """Return the children of a parent."""
        return [child for child in list(self._children.values()) if child.parent is parent]

    # --- inside

    def _parent(self, matcher: Matcher) -> ParentNamespace:
        if not isinstance(matcher, re.Pattern):
            matcher = listener(matcher)
        for same in (_equal, _redefined):
            for parent in self.parents:
                if same(matcher, parent.matcher):
                    parent.replace_matcher(matcher)
                    return parent
        self.parents.append(ParentNamespace(self, matcher))
        return self.parents[-1]

    def _create(self, name: str) -> Namespace:
        """Create a namespace: a child of the first pattern that matches its name, if there is one."""
        for parent in self.parents:
            if isinstance(parent.matcher, re.Pattern) and parent.matcher.fullmatch(name):
                return self._child(parent, name)
        namespace = Namespace(self.server, name)
        self.root.announce(namespace)
        return namespace

    def _of_parent(self, parent: ParentNamespace, name: str) -> Namespace | None:
        found = self._named.get(name) or self._children.get(name)
        if found is None:
            return self._child(parent, name) if len(self._children) < self._max_children else None
        return found if getattr(found, "parent", parent) is parent else None

    def _child(self, parent: ParentNamespace, name: str) -> ChildNamespace:
        child = self._children[name] = ChildNamespace(self, parent, name)
        self.root.announce(child)
        return child


def _equal(new: Matcher, old: Matcher) -> bool:
    if isinstance(new, re.Pattern) or isinstance(old, re.Pattern):
        return new == old
    return bool(function_of(new) == function_of(old))


def _redefined(new: Matcher, old: Matcher) -> bool:
    """Return whether the cell of the old function was run again and has defined the new one.

    Functions are matched by name, because other cells may pass the same function to get its namespace; lambdas by their
    order in the cell.
    """
    if not isinstance(new, RegisteredFunction) or not isinstance(old, RegisteredFunction):
        return False
    name = name_of(new.function)
    return name == name_of(old.function) and (name is not None or new.outdates(old))
