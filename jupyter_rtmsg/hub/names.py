"""The rules for names of rooms and events (docs/wire.md, "Names and limits")."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from jupyter_rtmsg.errors import BadEvent, BadRoom, ReservedEvent
from jupyter_rtmsg.wire.socketio import RESERVED_EVENTS

LONGEST = 128
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
