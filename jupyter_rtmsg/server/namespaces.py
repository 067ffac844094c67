"""The namespaces of a server, and the patterns that make more of them (docs/protocol.md#socketio-namespaces)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..notebook import CellFunction, name_of
from .emitter import function_of, listener
from .namespace import Namespace
from .parent import ChildNamespace, Matcher, ParentNamespace

if TYPE_CHECKING:
    from .server import Server

_LONGEST = 256  # characters in a name that a client made up


class RootNamespace(Namespace):
    """The namespace ``/``."""

    events = ("connection", "new_namespace")

    def announce(self, namespace: Namespace) -> None:
        """Tell that there is a new namespace."""
        for handler in self._handlers.get("new_namespace", ()):
            try:
                handler(namespace)
            except Exception as error:
                self.failed("a handler of 'new_namespace'", error)


class Namespaces:
    """The namespaces of a server by name.

    A child is held as soon as a client was let in. Until then only those who ask for it hold it, so that names which
    clients invent and are refused for leave nothing behind.

    Parameters
    ----------
    server : Server
    max_children : int
        How many namespaces clients may bring into being.
    cleanup : bool
        Whether those are dropped when the last client leaves.
    """

    def __init__(self, server: Server, max_children: int, cleanup: bool) -> None:
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
        """Return a namespace, or the parent of a pattern or function, making it if need be."""
        if not isinstance(name, str):
            return self._parent(name)
        name = name if name.startswith("/") else "/" + name
        if name not in self._named:
            self._named[name] = self._children.get(name) or self._new(name)
        return self._named[name]

    def may_have(self, name: str) -> bool:
        """Return whether a client may ask for a name: it is there, or parents could make it."""
        return bool(self.parents) or name in self._named

    def find(self, name: str) -> Namespace | None:
        """Return a namespace that is there, and that a client may ask for without a function having a say."""
        found = self._named.get(name) or self._children.get(name)
        asks = isinstance(found, ChildNamespace) and not isinstance(found.parent.matcher, re.Pattern)
        return None if asks else found

    async def ask(self, name: str, auth: dict[str, Any]) -> Namespace | None:
        """Return the namespace that a client asked for, if a parent wants it to be.

        A function is asked for every client, not only for the first, as it may decide by ``auth``.
        """
        for parent in self.parents:
            if len(name) <= _LONGEST and await self._matches(parent, name, auth):
                return self._of_parent(parent, name)
        return None

    def keep(self, child: ChildNamespace) -> None:
        """A client was let into a child."""
        self._named[child.name] = self._children[child.name] = child

    def emptied(self, child: ChildNamespace) -> None:
        """The last client has left a child."""
        if self._cleanup and self._named.get(child.name) is child:
            del self._named[child.name]

    def children_of(self, parent: ParentNamespace) -> list[Namespace]:
        """Return the namespaces that a parent made."""
        return [child for child in list(self._children.values()) if child.parent is parent]

    # --- inside

    def _parent(self, matcher: Matcher) -> ParentNamespace:
        if not isinstance(matcher, re.Pattern):
            matcher = listener(matcher)
        for same in (_equal, _redefined):
            for parent in self.parents:
                if same(matcher, parent.matcher):
                    parent.matcher = matcher
                    return parent
        self.parents.append(ParentNamespace(self, matcher))
        return self.parents[-1]

    def _new(self, name: str) -> Namespace:
        """Make a namespace: the child of the first pattern that its name matches, if one does."""
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
        child = self._children[name] = ChildNamespace(parent, name)
        self.root.announce(child)
        return child

    async def _matches(self, parent: ParentNamespace, name: str, auth: dict[str, Any]) -> bool:
        matcher = parent.matcher
        if isinstance(matcher, re.Pattern):
            return matcher.fullmatch(name) is not None
        try:
            result = matcher(name, auth)
            return bool(await result if inspect.isawaitable(result) else result)
        except Exception as error:
            parent.failed("the function that chooses names", error)
            return False


def _equal(new: Matcher, old: Matcher) -> bool:
    if isinstance(new, re.Pattern) or isinstance(old, re.Pattern):
        return new == old
    return bool(function_of(new) == function_of(old))


def _redefined(new: Matcher, old: Matcher) -> bool:
    """Return whether a function takes over the namespaces of another one, whose cell was run again.

    By name, since other cells give the same function to reach its namespaces; lambdas in the order of their cell.
    """
    if not isinstance(new, CellFunction) or not isinstance(old, CellFunction):
        return False
    name = name_of(new.function)
    return name == name_of(old.function) and (name is not None or new.outdates(old))
