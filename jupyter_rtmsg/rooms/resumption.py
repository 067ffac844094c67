"""Where a room goes on after a join: at the same event, or in another log, as the hub's reply says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from jupyter_rtmsg.errors import RtmsgError

from .commands import Commands, Reply
from .inbox import Inbox
from .place import NOWHERE, Era, Place
from .progress import Progress
from .watchers import Watchers

_log = logging.getLogger("jupyter_rtmsg")
EPOCH, ROLLBACK = "epoch", "rollback"
_RESETS = {
    EPOCH: "the log was replaced since this reader was last here; positions start anew",
    ROLLBACK: "the log lost its end, which this reader had seen: an older file was restored, or it was damaged",
}


class Resumption:
    """Takes the replies of joins. Runs on the I/O loop.

    Parameters
    ----------
    room : str
    inbox : Inbox
    progress : Progress
    watchers : Watchers
    commands : Commands
    spawn : callable
        Runs a coroutine as a task.

    Attributes
    ----------
    missed : tuple of int or None
        The positions, of ``missed_era``, between which is what this reader missed before its first join.
    missed_count : int
    """

    def __init__(
        self,
        room: str,
        inbox: Inbox,
        progress: Progress,
        watchers: Watchers,
        commands: Commands,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.missed: tuple[int, int] | None = None
        self.missed_era = NOWHERE.era
        self.missed_count = 0
        self._missed_n: tuple[int | None, int | None] = (None, None)
        self._room = room
        self._inbox = inbox
        self._progress = progress
        self._watchers = watchers
        self._commands = commands
        self._spawn = spawn

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a join that goes on here."""
        inbox = self._inbox
        return {"after": inbox.received, **Place(inbox.era, inbox.received, inbox.number).fields}

    def entered(self, reply: Reply) -> None:
        """Begin where the first join says."""
        head: int = reply["head"]
        place = _place(reply)
        if reply.get("reason") in _RESETS:
            self._inbox.start_at(NOWHERE, head)
            self._reset(place, str(reply["reason"]))
        else:
            self._inbox.start_at(place, head)
        self._progress.start_at(self._inbox.place)
        if reply.get("missed"):
            self.missed, self.missed_era = (place.seq, head), place.era
            self.missed_count = reply["missed"]
            self._missed_n = (place.n, reply.get("head_n"))

    def returned(self, reply: Reply) -> None:
        """Go on where a later join says."""
        era, here, reason = Era.of(reply), self._inbox.era, reply.get("reason")
        if reason == ROLLBACK:
            self._reset(_place(reply), ROLLBACK)
        elif era.epoch != here.epoch and reply.get("recovered"):
            self._moved(_place(reply), reply["head"])
        elif reason == EPOCH or era.epoch != here.epoch:
            self._reset(_place(reply), EPOCH)
        else:
            if self._inbox.number is None and reply.get("cursor") == self._inbox.received:
                self._inbox.number = reply.get("cursor_n")
            if era != here:
                self._inbox.turn(Place(era, self._inbox.received, self._inbox.number))

    def opened(self, log: Mapping[str, Any]) -> None:
        """Learn that the hub's log goes on, with all that it held, in another opening: later positions are of that."""
        era = Era.of(log)
        if era.opening and era.epoch == self._inbox.era.epoch and era != self._inbox.era:
            self._inbox.turn(Place(era, self._inbox.received, self._inbox.number))

    def replaced(self, notice: Mapping[str, Any]) -> None:
        """Begin anew, since the hub says that its log was replaced."""
        self._reset(Place(Era.of(notice), 0, 0), EPOCH, str(notice.get("reason") or "the log was replaced"))

    def trimmed(self, read: int) -> int:
        """Return how many of the missed events are gone, where ``read`` could be read; 0 where that is unknown."""
        first, last = self._missed_n
        return 0 if first is None or last is None else max(0, last - first - read)

    def _reset(self, place: Place, reason: str, said: str | None = None) -> None:
        _log.warning("room %r: %s", self._room, f"{said}; positions start anew" if said else _RESETS[reason])
        if reason == ROLLBACK:
            self._inbox.drop_after(place.seq)
            self.missed = self.missed and (min(self.missed[0], place.seq), min(self.missed[1], place.seq))
        self._tell(place, said or reason)

    def _tell(self, place: Place, reason: str, *, joined_at: int | None = None) -> None:
        data = {"room": self._room, "epoch": place.era.epoch, "reason": reason}
        self._inbox.turn(place, "$reset", data, joined_at=joined_at)
        self._watchers.notice("$reset", data)

    def _moved(self, place: Place, head: int) -> None:
        """Go on at the same event in another epoch: the hub moved its log from memory into the file.

        What waits in the queue keeps the positions that it came with; the hub understands them in acknowledgements.
        """
        _log.info("room %r: the log was moved; events have new positions", self._room)
        caught_up = self._inbox.received >= self._inbox.joined_at
        self._tell(place, "moved", joined_at=place.seq if caught_up else head)
        self._spawn(self._translate(place.era))

    async def _translate(self, era: Era) -> None:
        """Ask where the positions of another epoch are that `missed` is made of: a restarted hub would not know."""
        if self.missed is None:
            return
        with contextlib.suppress(RtmsgError, asyncio.TimeoutError):
            after, head = [await self._translated(each) for each in self.missed]
            self.missed, self.missed_era = (after, head), era
            self._inbox.joined_at = head

    async def _translated(self, position: int) -> int:
        reply = await self._commands.ask("lag", {"room": self._room, "after": position, **self.missed_era.fields})
        cursor: int = reply["cursor"]
        return cursor


def _place(reply: Reply) -> Place:
    """Return where a join starts."""
    cursor = reply["head"] if reply.get("cursor") is None else reply["cursor"]
    return Place(Era.of(reply), cursor, reply.get("cursor_n"))
