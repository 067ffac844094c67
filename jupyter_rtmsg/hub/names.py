"""The rules for names of rooms, events and subscriptions (docs/wire.md, "Names and limits")."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from jupyter_rtmsg.errors import BadEvent, BadRequest, BadRoom, ReservedEvent
from jupyter_rtmsg.invisible import hidden
from jupyter_rtmsg.wire.socketio import RESERVED_EVENTS

LONGEST = 128
_UNSEEN = "control, format and invisible characters are not allowed"
_SIGNS = frozenset("_~-.")
_JOINERS = frozenset("\u200c\u200d")


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
    for unfit in _unfit(name):
        rule = f"{name[unfit]!a} in the name {name!r}: a room's has letters, digits, _ ~ - and inner dots"
        raise BadRoom(rule + _instead(name))
    if name[0] == "." or name[-1] == ".":
        raise BadRoom(f"the room's name {name!r} begins or ends with a dot{_instead(name)}")
    if not unicodedata.is_normalized("NFC", name):
        raise BadRoom(f"the room's name {name!r} is not in Unicode's normal form C{_instead(name)}")
    return name


def _instead(name: str) -> str:
    """Return a name that would do, as the end of a message; nothing if there is none in it."""
    name = unicodedata.normalize("NFC", name)
    unfit = set(_unfit(name))
    parts = "".join(" " if at in unfit else character for at, character in enumerate(name))
    good = "-".join(parts.split()).strip(".-")[:LONGEST].strip(".-")
    return f". Write {good!r}" if good else ""


def _unfit(name: str) -> Iterator[int]:
    """Yield the positions of the characters that a room's name may not have."""
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
    """Many scripts write their vowels as marks on letters, which are no letters in Unicode's eyes."""
    return unicodedata.category(character) in ("Mn", "Mc")


def _bears(character: str) -> bool:
    """Tell whether a mark may stand behind a character: alone it would be seen as a part of something else."""
    return character.isalnum() or (character != "" and (_is_mark(character) or character in _JOINERS))


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
    for position in hidden(name):
        raise BadEvent(f"{name[position]!a} in the event's name {name!r}: {_UNSEEN}")
    if not name.strip():
        raise BadEvent(f"the event's name {name!r} shows nothing")
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
        for position in hidden(name):
            raise BadRequest(f"{name[position]!a} in the subscription's name {name!r:.80}: {_UNSEEN}")
        return cls(name, name)
