"""Errors of payloads: values of an event that are no JSON, such as tables, arrays and pictures."""

from __future__ import annotations

from .base import OneLine, RtmsgError


class PayloadError(OneLine, RtmsgError, ValueError):
    """A payload could not be decoded: `event.data` holds an `Unreadable` in its place, which tells this error."""


class PayloadRefused(PayloadError):
    """A payload is damaged, breaks its format, or is of a kind that is not safe to decode."""


class PayloadTooLarge(PayloadError):
    """A payload would need more memory than a payload may. The message has both numbers."""


class LibraryMissing(PayloadError, ImportError):
    """The library of a payload is not installed. The message says which."""


class LibraryTooOld(PayloadError):
    """The installed version of a payload's library has an advisory about what it reads."""
