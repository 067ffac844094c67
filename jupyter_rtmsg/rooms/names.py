"""What to call senders and members, in tables and views: the same everywhere (docs/wire.md, "Who is speaking")."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

from jupyter_rtmsg.displayname import displayable
from jupyter_rtmsg.event import Sender
from jupyter_rtmsg.invisible import isolated

T = TypeVar("T")

_LIMIT = 1_000
"""So many names, and notebooks of one name, are remembered."""
_RANDOM = re.compile(r"[0-9a-f]{32}")
_LONGEST_PATH = 256
_LONGEST_TITLE = 1_024


class Who(Protocol):
    """A `Sender` or a `Member`."""

    @property
    def user(self) -> str:
        """The authenticated user."""

    @property
    def kind(self) -> str:
        """What it is."""

    @property
    def name(self) -> str:
        """The name to show."""

    @property
    def member(self) -> str:
        """Its id among the members."""

    @property
    def notebook(self) -> str | None:
        """The path of its notebook, where it is known."""


class Names:
    """Names people as a view shows them. Any thread may ask.

    Somebody is called by name, with the user in brackets where that is another: "train (alice)". One's own user is
    "you": "train (you)"; a token that several people share is nobody's own. Where two notebooks have the same name, so
    much of their folders is added as tells them apart.

    Parameters
    ----------
    you : str, optional
        The user who looks.
    people : iterable of Who
        Those who are seen together.
    """

    def __init__(self, you: str | None = None, people: Iterable[Who] = ()) -> None:
        self.you = you
        self._lock = threading.Lock()
        self._notebooks: dict[str, frozenset[str]] = {}  # by name
        self._members: dict[str, str] = {}  # their notebooks, by their ids
        self._ends: dict[str, str] = {}  # by notebook: the end of its path that tells it apart
        for who in people:
            self.add(who)

    def add(self, who: Who) -> bool:
        """Take somebody into account; return whether others may be called otherwise from now on."""
        if not who.notebook or not _is_named_after(who.name, who.notebook):
            return False
        with self._lock:
            _remember(self._members, who.member, who.notebook)
            known = self._notebooks.get(who.name, frozenset())
            if who.notebook in known or len(known) >= _LIMIT:
                return False
            _remember(self._notebooks, who.name, known | {who.notebook})
            for notebook in known:
                self._ends.pop(notebook, None)
        return bool(known)

    def of(self, who: Who) -> str:
        """Return what to call somebody; a part that is written from right to left moves nothing beside it."""
        name, user = self.name(who), self.user(who)
        return f"{isolated(name)} ({isolated(user)})" if user else isolated(name)

    def name(self, who: Who) -> str:
        """Return the first part of that: the name alone."""
        notebooks = self._notebooks.get(who.name, frozenset())
        # Events may not say the notebook's path where presence tells it to its own user.
        notebook = who.notebook or self._members.get(who.member)
        if not notebook or len(notebooks) < 2 or notebook not in notebooks:
            return displayable(who.name) or displayable(who.user)
        end = self._ends.get(notebook)
        if end is None:
            end = self._ends[notebook] = displayable(_apart(notebook, notebooks), _LONGEST_PATH)
        return end

    def user(self, who: Who) -> str | None:
        """Return the second part: the user, "you", or None where the name says it all."""
        shared = who.user.startswith("token:") or who.user == "anonymous"
        if who.user and who.user == self.you and not shared:
            return "you"
        same = not who.name or who.name.casefold() == who.user.casefold()
        return None if same or _says_nothing(who) else displayable(who.user)


def _remember(known: dict[str, T], key: str, value: T) -> None:
    """Set a key of a dict that forgets the key it was given first."""
    if key not in known and len(known) >= _LIMIT:
        del known[next(iter(known))]
    known[key] = value


def title(who: Who) -> str:
    """Return what a view says about somebody beside what it calls them."""
    name = None if who.name == who.user else who.name
    parts = (name, who.kind, who.user, who.notebook)
    return " · ".join(displayable(part, _LONGEST_TITLE) for part in parts if part)


def _says_nothing(who: Who) -> bool:
    """Tell whether a user has no name of its own, and the server chose the one that is shown.

    That is so of users that Jupyter drew by lot for browsers, and of kernels with the token of all kernels.
    """
    if who.kind == "kernel":
        return who.user == "token:kernel" and bool(who.notebook) and _is_named_after(who.name, who.notebook or "")
    return who.kind == "browser" and bool(_RANDOM.fullmatch(who.user))


def sender_of(fields: Mapping[str, Any]) -> Sender:
    """Make a sender from the ``from`` of an event. Those of version 0.1.0 have no name: they go by their user."""
    get = fields.get
    user = get("user", "")
    return _sender(user, get("kind", ""), get("name") or user, get("member", ""), get("notebook"))


@lru_cache(maxsize=1024)
def _sender(user: str, kind: str, name: str, member: str, notebook: str | None) -> Sender:
    return Sender(user, "script" if kind == "client" else kind, name, member, notebook)


def _is_named_after(name: str, notebook: str) -> bool:
    return name == displayable(PurePosixPath(notebook).stem)


def _apart(notebook: str, notebooks: Iterable[str]) -> str:
    """Return the shortest end of a path that no other one has, without the suffix if that is not needed either."""
    for paths in ({path: _without_suffix(path) for path in notebooks}, {path: path for path in notebooks}):
        parts = paths[notebook].split("/")
        others = [other.split("/") for path, other in paths.items() if path != notebook]
        for depth in range(1, len(parts) + 1):
            end = parts[-depth:]
            if all(other[-depth:] != end for other in others):
                return "/".join(end)
        if all(other != parts for other in others):
            return "/".join(parts)
    return notebook


def _without_suffix(path: str) -> str:
    return str(PurePosixPath(path).with_suffix("")) if PurePosixPath(path).suffix else path
