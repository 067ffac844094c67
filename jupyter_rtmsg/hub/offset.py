"""Offsets: what a client shows when it comes back, as evidence of what it has received."""

from __future__ import annotations

import re
from typing import NamedTuple

OPEN = ""
"""The offset that stands before live events: a client that shows it received some of them, and nobody knows which."""

_OFFSET = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})\.([0-9a-f]{8})", re.ASCII)


class Offset(NamedTuple):
    """How far a client had received.

    Attributes
    ----------
    position : int
        Every event of its rooms up to this position of the log.
    mark : int
        Everything that was sent before the hub counted to this: see `LogRecovery.mark`.
    series : str
        In which both were counted: the hub begins another when it starts, and when its log is replaced.
    """

    position: int
    mark: int
    series: str

    def __str__(self) -> str:
        return f"{self.position}.{self.mark}.{self.series}"

    @classmethod
    def parse(cls, text: str) -> Offset | None:
        """Return what a text says, or None if that is no offset of a hub."""
        found = _OFFSET.fullmatch(text)
        return cls(int(found[1]), int(found[2]), found[3]) if found else None
