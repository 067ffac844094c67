"""The rules for names of rooms, events and subscriptions (docs/wire.md, "Names and limits")."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from jupyter_rtmsg.errors import BadEvent, BadRequest, BadRoom, ReservedEvent
from jupyter_rtmsg.wire.socketio import RESERVED_EVENTS

LONGEST = 128
_UNSEEN = frozenset(("Cc", "Zl", "Zp", "Cs"))  # control characters, ends of lines, halves of characters
_SIGNS = frozenset("_~-.")


@lru_cache(maxsize=16_384)
def room_name(name: str) -> str:
    """Return the name of a room if it is one.

    Raises
    ------
    BadRoom
        Naming the rule that it breaks.
    """
    if not 1 <= len(name) <= LONGEST:
        raise BadRoom(f"a room's name has 1 to {LONGEST} characters, this one {len(name)}")
    for character in name:
        if not (character.isalnum() or character in _SIGNS or _is_mark(character)):
            rule = f"{character!r} in the name {name!r}: a room's has letters, digits, _ ~ - and inner dots"
            raise BadRoom(rule + _instead(name))
    if name[0] == "." or name[-1] == ".":
        raise BadRoom(f"the room's name {name!r} begins or ends with a dot{_instead(name)}")
    if not unicodedata.is_normalized("NFC", name):
        raise BadRoom(f"the room's name {name!r} is not in Unicode's normal form C{_instead(name)}")
    return name


def _instead(name: str) -> str:
    """Return a name that would do, as the end of a message; nothing if there is none in it."""
    parts = "".join(c if c.isalnum() or c in _SIGNS or _is_mark(c) else " " for c in unicodedata.normalize("NFC", name))
    good = "-".join(parts.split()).strip(".-")[:LONGEST].strip(".-")
    return f". Write {good!r}" if good else ""


def _is_mark(character: str) -> bool:
    """Many scripts write their vowels as marks on letters, which are no letters in Unicode's eyes."""
    return unicodedata.category(character) in ("Mn", "Mc")


@lru_cache(maxsize=16_384)
def event_name(name: str) -> str:
    """Return the name of an event if members may publish it.

    Raises
    ------
    BadEvent, ReservedEvent
    """
    if not 1 <= len(name) <= LONGEST:
        raise BadEvent(f"an event's name has 1 to {LONGEST} characters, this one {len(name)}")
    if name[0] == "$":
        raise ReservedEvent(f"{name!r}: names that start with $ are the hub's own")
    if name in RESERVED_EVENTS:
        # Stored and replayed, such an event would drop every JavaScript client again and again.
        raise ReservedEvent(f"{name!r} is one of Socket.IO's own events")
    return name


class SubscriptionName(NamedTuple):
    """What a subscription is called.

    Attributes
    ----------
    key : str
        Tells it from others; no client can choose that of a notebook, which holds a control character.
    label : str
        What people see.
    path : str or None
        The real path of the notebook whose place it is.
    """

    key: str
    label: str
    path: str | None = None

    @classmethod
    def of_notebook(cls, path: str, label: str) -> SubscriptionName:
        """Return the name for a notebook.

        Parameters
        ----------
        path : str
            Its real path, of any length.
        label : str
            Its path relative to the server's root.
        """
        digest = blake2b(path.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return cls(f"notebook\0{digest}", label, path)

    @classmethod
    def of_client(cls, name: str) -> SubscriptionName:
        """Return the name that a client chose.

        Raises
        ------
        BadRequest
            If it holds what nobody sees.
        """
        unseen = next((character for character in name if unicodedata.category(character) in _UNSEEN), None)
        if unseen is not None:
            raise BadRequest(f"{unseen!r} in the subscription's name {name!r:.80}: control characters are not allowed")
        return cls(name, name)
