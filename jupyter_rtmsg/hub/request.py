"""Requests, which are JSON objects from clients: reads and checks their fields."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from jupyter_rtmsg.errors import BadRequest, LimitExceeded

Request = dict[str, Any]
Reply = dict[str, Any]
"""``{"ok": true, ...}``, or ``{"ok": false, "error": {"code", "message"}}`` (docs/wire.md)."""
MAX_INTEGER = 2**63 - 1


class WhenStored(NamedTuple):
    """A reply that is sent when a change is stored, without keeping later commands of the socket waiting."""

    stored: asyncio.Future[None]
    reply: Reply


def request_of(args: Sequence[Any]) -> Request:
    """Return the request among the arguments of a command: one object, or an empty one if there is none.

    Raises
    ------
    BadRequest
    """
    if not args:
        return {}
    if len(args) > 1 or type(args[0]) is not dict:
        raise BadRequest("a command takes one object and no further arguments")
    return args[0]


def text(request: Request, key: str) -> str:
    """Return a required string; raise `BadRequest` if it is missing or of another type."""
    value = request.get(key)
    if type(value) is str:
        return value
    raise BadRequest(f"`{key}` must be a string, not {_shown(value)}" if key in request else f"`{key}` is missing")


def optional_text(request: Request, key: str, *, longest: int) -> str | None:
    """Return a string that may be missing or null.

    Raises
    ------
    BadRequest
        If it is not a string, or is empty.
    LimitExceeded
        If it has more than ``longest`` characters.
    """
    value = request.get(key)
    if value is None:
        return None
    if type(value) is not str or not value:
        raise BadRequest(f"`{key}` must be a non-empty string, not {_shown(value)}")
    if len(value) > longest:
        raise LimitExceeded(f"`{key}` has {len(value)} characters, more than the {longest} allowed")
    return value


def optional_count(request: Request, key: str, *, least: int = 0) -> int | None:
    """Return an integer that may be missing or null; raise `BadRequest` if it is invalid."""
    value = request.get(key)
    if value is None:
        return None
    if type(value) is float and value.is_integer():
        value = int(value)  # JSON has one type of numbers, and some encoders write 3.0
    if type(value) is not int or not least <= value <= MAX_INTEGER:
        raise BadRequest(f"`{key}` must be an integer of at least {least}, not {_shown(value)}")
    return value


def optional_seconds(request: Request, key: str, *, most: float) -> float | None:
    """Return a number of seconds that may be missing or null; raise `BadRequest` unless 0 < it <= ``most``."""
    value = request.get(key)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value <= most:
        raise BadRequest(f"`{key}` must be a number of seconds above 0, at most {most:g}, not {_shown(value)}")
    return float(value)


def count(request: Request, key: str, *, least: int = 0) -> int:
    """Return a required integer; raise `BadRequest` if it is missing or invalid."""
    value = optional_count(request, key, least=least)
    if value is None:
        raise BadRequest(f"`{key}` is missing")
    return value


def optional_number(request: Request, key: str, *, most: float) -> float | None:
    """Return a number from 0 to ``most`` that may be missing or null; raise `BadRequest` if it is invalid."""
    value = request.get(key)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= most:
        raise BadRequest(f"`{key}` must be a number from 0 to {most:g}, not {_shown(value)}")
    return float(value)


def flag(request: Request, key: str) -> bool:
    """Return a boolean, which is false when missing or null; raise `BadRequest` for another type."""
    value = request.get(key)
    if value is None or type(value) is bool:
        return bool(value)
    raise BadRequest(f"`{key}` must be true or false, not {_shown(value)}")


def _shown(value: Any) -> str:
    """Return a short text for a value. A container may hold a million values, so it is not formatted."""
    if type(value) in (list, dict):
        return f"{'an array' if type(value) is list else 'an object'} of {len(value)}"
    return f"{value!r:.80}"
