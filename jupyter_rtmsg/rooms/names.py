"""The names of senders and members in tables and views (docs/wire.md, "Who is speaking")."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

from jupyter_rtmsg.names import displayable, isolated

T = TypeVar("T")

_LIMIT = 1_000  # names, and notebooks of one name, that are remembered
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
        """``"browser"``, ``"kernel"``, ``"script"`` or ``"agent"``."""

    @property
    def name(self) -> str:
        """The name to show."""

    @property
    def member(self) -> str:
        """The id among the members."""

    @property
    def notebook(self) -> str | None:
        """The path of the notebook, if it is known."""


class Names:
    """Names senders and members as views show them. Thread-safe.

    The name is followed by the user in brackets, if that is another: "train (alice)". The user who looks is "you":
    "train (you)", unless it is a token that several people share. If two notebooks have the same name, their folders
    are added as far as needed to tell them apart.

    ``_lock`` guards the dicts when they are changed; a dict is read without it.

    Parameters
    ----------
    you : str, optional
        The user who looks.
    people : iterable of Who
        The senders and members that are shown together.
    """

    def __init__(self, you: str | None = None, people: Iterable[Who] = ()) -> None:
        self.you = you
        self._lock = threading.Lock()
        self._notebooks: dict[str, frozenset[str]] = {}  # paths, by name
        self._members: dict[str, str] = {}  # notebook paths, by member id
        self._ends: dict[str, str] = {}  # the end of a path that no other notebook has, by path
        for who in people:
            self.add(who)

    def add(self, who: Who) -> bool:
        """Add a sender or member; return whether the names of others may change by that."""
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
        """Return the full name. Text written from right to left does not affect the text beside it."""
        name, user = self.name(who), self.user(who)
        return f"{isolated(name)} ({isolated(user)})" if user else isolated(name)

    def name(self, who: Who) -> str:
        """Return the name without the user."""
        notebooks = self._notebooks.get(who.name, frozenset())
        # The path may be missing in events, and be present in the presence of the user's own notebooks.
        notebook = who.notebook or self._members.get(who.member)
        if not notebook or len(notebooks) < 2 or notebook not in notebooks:
            return displayable(who.name) or displayable(who.user)
        end = self._ends.get(notebook)
        if end is None:
            end = self._ends[notebook] = displayable(_apart(notebook, notebooks), _LONGEST_PATH)
        return end

    def user(self, who: Who) -> str | None:
        """Return the text in brackets: the user, "you", or None if the name is enough."""
        shared = who.user.startswith("token:") or who.user == "anonymous"
        if who.user and who.user == self.you and not shared:
            return "you"
        same = not who.name or who.name.casefold() == who.user.casefold()
        return None if same or _is_made_up(who) else displayable(who.user)


def _remember(known: dict[str, T], key: str, value: T) -> None:
    """Set a key of a dict of limited size. If the dict is full, its oldest key is dropped."""
    if key not in known and len(known) >= _LIMIT:
        del known[next(iter(known))]
    known[key] = value


def title(who: Who) -> str:
    """Return the details that a view shows beside the name."""
    name = None if who.name == who.user else who.name
    parts = (name, who.kind, who.user, who.notebook)
    return " · ".join(displayable(part, _LONGEST_TITLE) for part in parts if part)


def _is_made_up(who: Who) -> bool:
    """Return whether the user is not worth showing, since the server made it up.

    These are the random users that Jupyter gives to browsers, and kernels with the token of all kernels.
    """
    if who.kind == "kernel":
        return who.user == "token:kernel" and bool(who.notebook) and _is_named_after(who.name, who.notebook or "")
    return who.kind == "browser" and bool(_RANDOM.fullmatch(who.user))


def _is_named_after(name: str, notebook: str) -> bool:
    return name == displayable(PurePosixPath(notebook).stem)


def _apart(notebook: str, notebooks: Iterable[str]) -> str:
    """Return the shortest end of a path that no other path has, without the suffix if possible."""
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
