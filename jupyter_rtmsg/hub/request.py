"""Reads the fields of a request: a JSON object from a client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_rtmsg.errors import BadRequest, LimitExceeded

Request = dict[str, Any]
LARGEST = 2**63 - 1


def request_of(args: Sequence[Any]) -> Request:
    """Return the one object that a command takes; none is as good as an empty one.

    Raises
    ------
    BadRequest
    """
    if not args:
        return {}
    if len(args) > 1 or type(args[0]) is not dict:
        raise BadRequest("a command takes one object and nothing else")
    return args[0]


def text(request: Request, key: str) -> str:
    """Return a field that must be there; raises `BadRequest`."""
    value = request.get(key)
    if type(value) is str:
        return value
    raise BadRequest(f"`{key}` must be a string, not {_shown(value)}" if key in request else f"`{key}` is missing")


def optional_text(request: Request, key: str, *, longest: int) -> str | None:
    """Return a field that may be missing or null.

    Raises
    ------
    BadRequest
        If it is no string, or empty.
    LimitExceeded
        If it has more than ``longest`` characters.
    """
    value = request.get(key)
    if value is None:
        return None
    if type(value) is not str or not value:
        raise BadRequest(f"`{key}` must be a string that is not empty, not {_shown(value)}")
    if len(value) > longest:
        raise LimitExceeded(f"`{key}` has {len(value)} characters, more than the {longest} allowed")
    return value


def optional_count(request: Request, key: str, *, least: int = 0) -> int | None:
    """Return an integer that may be missing or null; raises `BadRequest`."""
    value = request.get(key)
    if value is None:
        return None
    if type(value) is float and value.is_integer():
        value = int(value)  # JSON has one kind of numbers, and some encoders write 3.0
    if type(value) is not int or not least <= value <= LARGEST:
        raise BadRequest(f"`{key}` must be an integer from {least}, not {_shown(value)}")
    return value


def count(request: Request, key: str, *, least: int = 0) -> int:
    """Return an integer that must be there; raises `BadRequest`."""
    value = optional_count(request, key, least=least)
    if value is None:
        raise BadRequest(f"`{key}` is missing")
    return value


def flag(request: Request, key: str) -> bool:
    """Return a boolean that is false when missing or null; raises `BadRequest`."""
    value = request.get(key)
    if value is None or type(value) is bool:
        return bool(value)
    raise BadRequest(f"`{key}` must be true or false, not {_shown(value)}")


def _shown(value: Any) -> str:
    """Return a value's text, which is not made of what may hold a million values."""
    if type(value) in (list, dict):
        return f"{'an array' if type(value) is list else 'an object'} of {len(value)}"
    return f"{value!r:.80}"
