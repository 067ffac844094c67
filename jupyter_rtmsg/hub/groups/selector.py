"""Which events belong to a worker group, and which of them have to be handled one after the other."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

from jupyter_rtmsg.errors import ProtocolError
from jupyter_rtmsg.log import GroupSettings, Record
from jupyter_rtmsg.wire.data import encode_json, parse

from .pattern import NamePattern

SENDER = "@sender"
"""The key that stands for the principal of an event."""

_LONGEST_KEY = 64  # bytes; of longer ones the hash is kept
_REMEMBERED = 1_000  # names of events


class Selector:
    """Decides by the settings of a group.

    Parameters
    ----------
    settings : GroupSettings
    """

    __slots__ = ("_known", "_path", "_pattern", "_sender")

    def __init__(self, settings: GroupSettings) -> None:
        self._pattern = None if settings.event is None else NamePattern(settings.event)
        self._sender = settings.key == SENDER
        self._path = settings.key.split(".") if settings.key is not None and not self._sender else None
        self._known: dict[str, bool] = {}

    def matches(self, name: str) -> bool:
        """Tell whether events of a name belong to the group."""
        if self._pattern is None:
            return True
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[name] = self._pattern.matches(name)
        return known

    def key_of(self, record: Record) -> bytes | None:
        """Return the key of an event; None if it has none, and waits for no other event."""
        if self._sender:
            return _shortened(record.user.encode("utf-8", "surrogatepass"))
        if self._path is None:
            return None
        try:
            value = _parsed(record.data)
        except ProtocolError:  # cannot happen: the data were checked when they were published
            return None
        for part in self._path:
            value = value.get(part) if type(value) is dict else None
        return _encoded(value)


@lru_cache(maxsize=1)  # of one event: it may have a megabyte
def _parsed(data: bytes) -> Any:
    """Return the value of some JSON, which must not be changed. An event is parsed once for all groups of its room."""
    return parse(data)


def _encoded(value: Any) -> bytes | None:
    """Return the JSON of a value: 1 and "1" are different keys. Null, and data with attachments, are no keys."""
    if value is None or (type(value) is dict and "_placeholder" in value):
        return None
    return _shortened(encode_json(value))


def _shortened(key: bytes) -> bytes:
    return key if len(key) <= _LONGEST_KEY else blake2b(key, digest_size=16).digest()
