"""Finds the position in a room that a seek is to: the first event, the end, a position, a time, some events later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_rtmsg.errors import BadRequest
from jupyter_rtmsg.log import EventLog

from .limits import Limits
from .replay import first_since, number_at
from .request import Request, count, optional_text

FIRST, END = "first", "end"
_KINDS = ("seq", "ts", "skip")


@dataclass(frozen=True, slots=True)
class SeekTarget:
    """Where a seek is to.

    Attributes
    ----------
    kind : str
        ``first``, ``end``, ``seq``, ``ts`` or ``skip``.
    value : int
        A position, a time in ms since 1970, or a number of events; 0 for ``first`` and ``end``.
    epoch, opening : str or None
        Of the position.
    """

    kind: str
    value: int = 0
    epoch: str | None = None
    opening: str | None = None

    @classmethod
    def of(cls, request: Request, limits: Limits) -> SeekTarget:
        """Read the field ``to`` of a ``seek``.

        Raises
        ------
        BadRequest
        """
        to = request.get("to")
        if to in (FIRST, END) and type(to) is str:
            return cls(to)
        given = [key for key in _KINDS if key in to] if type(to) is dict else []
        if type(to) is not dict or len(given) != 1:
            raise BadRequest('`to` must be "first", "end", {"seq": ...}, {"ts": ...} or {"skip": ...}')
        epoch, opening = (optional_text(to, key, longest=limits.identifier) for key in ("epoch", "opening"))
        return cls(given[0], count(to, given[0]), epoch, opening)

    @property
    def fields(self) -> dict[str, Any]:
        """The epoch and the opening of the position, as the fields of a request."""
        return {"epoch": self.epoch, "opening": self.opening}


async def find_target(log: EventLog, room: str, target: SeekTarget, cursor: int) -> tuple[int, int | None]:
    """Return the position that a seek is to, which a ``seq`` has been located to, and the number of the event there.

    Parameters
    ----------
    log : EventLog
    room : str
    target : SeekTarget
    cursor : int
        The present position, from which ``skip`` counts.

    Returns
    -------
    position : int
        Everything up to here counts as handled.
    number : int or None
        The number of the room's last event up to there; None if it is unknown.
    """
    if target.kind == END:
        return await _end(log, room)
    if target.kind == "seq":
        position = target.value
    elif target.kind == "skip":
        position = await log.position_of(room, cursor, target.value) if target.value else cursor
    elif target.kind == FIRST:
        position = max((await log.stats(room)).first - 1, 0)
    else:
        first = await first_since(log, room, target.value)
        if first is None:
            return await _end(log, room)
        assert first.seq is not None
        position = first.seq - 1
    return position, (await number_at(log, room, position))[0]


async def _end(log: EventLog, room: str) -> tuple[int, int | None]:
    stats = await log.stats(room)
    return stats.head, stats.n
