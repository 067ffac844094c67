"""How much is kept of connections that may be recovered, of each principal and in all."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class Kept(NamedTuple):
    """A note: whose session it is, its bytes, and until when it is kept (seconds since 1970)."""

    principal: str
    size: int
    until: float


class SessionQuota:
    """Bounds the notes of sessions, in bytes. The oldest ones make place: those clients join anew.

    Parameters
    ----------
    per_user, total : int
        Of one principal, and in all.
    """

    def __init__(self, per_user: int, total: int) -> None:
        self._per_user = per_user
        self._total = total
        self._notes: dict[str, dict[str, Kept]] = {}  # by principal and key, the oldest first
        self._owners: dict[str, str] = {}
        self._bytes: Counter[str] = Counter()

    def bytes(self, principal: str | None = None) -> int:
        """Return the bytes that are kept of a principal, or in all."""
        return self._bytes.total() if principal is None else self._bytes[principal]

    def keep(self, key: str, note: Kept, now: float) -> list[str] | None:
        """Count a note, and return the keys of those that are to be removed for it; None if it cannot be kept."""
        self.discard(key)
        if note.size > min(self._per_user, self._total):
            return None
        gone: list[str] = []
        while self._bytes[note.principal] + note.size > self._per_user:
            gone += self._make_place(note.principal, now)
        while self.bytes() + note.size > self._total:
            gone += self._make_place(max(self._bytes, key=self._bytes.__getitem__), now)
        self._owners[key] = note.principal
        self._notes.setdefault(note.principal, {})[key] = note
        self._bytes[note.principal] += note.size
        return gone

    def discard(self, key: str) -> None:
        """A note was removed."""
        principal = self._owners.pop(key, None)
        if principal is None:
            return
        notes = self._notes[principal]
        self._bytes[principal] -= notes.pop(key).size
        if not notes:
            del self._notes[principal], self._bytes[principal]

    def _make_place(self, principal: str, now: float) -> list[str]:
        """Let go of the notes of a principal that have ended, or else of the oldest one."""
        notes = self._notes[principal]
        gone = [key for key, note in notes.items() if note.until <= now] or [next(iter(notes))]
        for key in gone:
            self.discard(key)
        return gone
