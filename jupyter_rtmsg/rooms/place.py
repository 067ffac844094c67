"""Positions in a log, with what makes them mean something (docs/wire.md, "Positions")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Era(NamedTuple):
    """Which log a position belongs to.

    Attributes
    ----------
    epoch : str
        The log's identity; empty while none is known.
    opening : str
        The opening of its file; empty at a hub that tells none.
    """

    epoch: str
    opening: str = ""

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Era:
        """Read that of a reply, or of a notice of the hub."""
        return cls(str(reply.get("epoch") or ""), str(reply.get("opening") or ""))

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a request that go with a position."""
        return {"epoch": self.epoch, "opening": self.opening} if self.opening else {"epoch": self.epoch}


class Place(NamedTuple):
    """A position up to which everything was handled.

    Attributes
    ----------
    era : Era
    seq : int
    n : int or None
        The number of the room's last event up to there; None where it is not known.
    """

    era: Era
    seq: int
    n: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a request that tell of it, beside the position itself."""
        return self.era.fields if self.n is None else {**self.era.fields, "n": self.n}


NOWHERE = Place(Era(""), 0)
