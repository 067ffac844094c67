"""The rules for the names of rooms, events and subscriptions (docs/wire.md, "Names and limits")."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from jupyter_rtmsg.errors import BadEvent, BadRequest, BadRoom, ReservedEvent
from jupyter_rtmsg.names import hidden
from jupyter_rtmsg.wire.socketio import RESERVED_EVENTS

MAX_LENGTH = 128
"""Characters of the longest name of a room or an event."""
_INVISIBLE = "control, format and invisible characters are not allowed"
_SIGNS = frozenset("_~-.")
_JOINERS = frozenset("\u200c\u200d")


@lru_cache(maxsize=16_384)
def room_name(name: str) -> str:
    """Return the name of a room if it is valid.

    Raises
    ------
    BadRoom
        The message tells the rule that the name breaks.
    """
    if not 1 <= len(name) <= MAX_LENGTH:
        raise BadRoom(f"a room's name has 1 to {MAX_LENGTH} characters, this one has {len(name)}")
    for unfit in _unfit(name):
        rule = f"{name[unfit]!a} in the name {name!r}: a room's name has letters, digits, _ ~ - and inner dots"
        raise BadRoom(rule + _instead(name))
    if name[0] == "." or name[-1] == ".":
        raise BadRoom(f"the room's name {name!r} must not begin or end with a dot{_instead(name)}")
    if not unicodedata.is_normalized("NFC", name):
        raise BadRoom(f"the room's name {name!r} is not in Unicode's normal form C{_instead(name)}")
    return name


def _instead(name: str) -> str:
    """Return the end of a message: a similar name that is valid, or nothing if there is none."""
    name = unicodedata.normalize("NFC", name)
    unfit = set(_unfit(name))
    parts = "".join(" " if at in unfit else character for at, character in enumerate(name))
    good = "-".join(parts.split()).strip(".-")[:MAX_LENGTH].strip(".-")
    return f". Write {good!r}" if good else ""


def _unfit(name: str) -> Iterator[int]:
    """Yield the positions of characters that the name of a room must not contain."""
    hides = set(hidden(name, variations=False))
    before = ""
    for position, character in enumerate(name):
        joiner = character in _JOINERS and position not in hides
        fits = character.isalnum() or character in _SIGNS or joiner or (_is_mark(character) and _bears(before))
        if position in hides or not fits:
            yield position
            before = ""
        else:
            before = character


def _is_mark(character: str) -> bool:
    """Tell whether a character is a combining mark. Many scripts write vowels so, and Unicode calls them no letters."""
    return unicodedata.category(character) in ("Mn", "Mc")


def _bears(character: str) -> bool:
    """Tell whether a mark may follow a character. A mark alone would be drawn on the text before the name."""
    return character.isalnum() or (character != "" and (_is_mark(character) or character in _JOINERS))


@lru_cache(maxsize=16_384)
def event_name(name: str) -> str:
    """Return the name of an event if members may publish it.

    Raises
    ------
    BadEvent
        If it is too long, empty, or contains invisible characters.
    ReservedEvent
        If it belongs to the hub or to Socket.IO.
    """
    if not 1 <= len(name) <= MAX_LENGTH:
        raise BadEvent(f"an event's name has 1 to {MAX_LENGTH} characters, this one has {len(name)}")
    if name[0] == "$":
        raise ReservedEvent(f"{name!r} is reserved: names that start with $ belong to the hub")
    if name in RESERVED_EVENTS:
        # A JavaScript client would disconnect at each replay of such an event.
        raise ReservedEvent(f"{name!r} is reserved: it is one of Socket.IO's own events")
    for position in hidden(name):
        raise BadEvent(f"{name[position]!a} in the event's name {name!r}: {_INVISIBLE}")
    if not name.strip():
        raise BadEvent(f"the event's name {name!r} has no visible character")
    return name


@lru_cache(maxsize=16_384)
def state_key(key: str) -> str:
    """Return the key of a retained value if it is valid; raise `BadRequest` if not."""
    if not 1 <= len(key) <= MAX_LENGTH:
        raise BadRequest(f"the key `retain` has 1 to {MAX_LENGTH} characters, this one has {len(key)}")
    if key[0] == "$":
        raise BadRequest(f"the key {key!r} is reserved: keys that start with $ belong to the hub")
    for position in hidden(key):
        raise BadRequest(f"{key[position]!a} in the key {key!r}: {_INVISIBLE}")
    if not key.strip():
        raise BadRequest(f"the key {key!r} has no visible character")
    return key


class SubscriptionName(NamedTuple):
    """The name of a subscription.

    Attributes
    ----------
    key : str
        Identifies it among those of a user in a room. A notebook's key contains a control character, so no client can
        choose it.
    label : str
        The name to show.
    path : str or None
        The real path of the notebook that it belongs to.
    """

    key: str
    label: str
    path: str | None = None

    @classmethod
    def of_notebook(cls, path: str, label: str) -> SubscriptionName:
        """Return the name of a notebook's subscriptions.

        Parameters
        ----------
        path : str
            The real path, of any length.
        label : str
            The path relative to the server's root.
        """
        digest = blake2b(path.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return cls(f"notebook\0{digest}", label, path)

    @classmethod
    def of_client(cls, name: str) -> SubscriptionName:
        """Return a name that a client chose.

        Raises
        ------
        BadRequest
            If it contains invisible characters.
        """
        for position in hidden(name):
            raise BadRequest(f"{name[position]!a} in the subscription's name {name!r:.80}: {_INVISIBLE}")
        return cls(name, name)
