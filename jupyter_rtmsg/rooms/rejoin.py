"""Joins: the first one, those after a reconnect, and the position at which each of them continues."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.errors import AckTimeout, CommandError, RtmsgError

from .commands import Commands, Reply
from .decoding import NO_POSITION, Era, Position
from .inbox import Inbox
from .progress import Progress
from .watchers import Watchers

FINAL = frozenset({"bad_request", "bad_room", "forbidden", "unauthorized", "unknown_command"})
"""Codes of refusals that the same request will always get."""

EPOCH, ROLLBACK = "epoch", "rollback"
_RETRY, _RETRY_MAX = 0.5, 30.0  # seconds between joins after a transient refusal
_RESETS = {
    EPOCH: "the log was replaced since this reader was last here; positions start anew",
    ROLLBACK: "the log lost its end, which this reader had seen: an older file was restored, or it was damaged",
}
logger = logging.getLogger(__name__)


class Rejoin:
    """Joins one room again after a reconnect. Runs on the I/O loop.

    A transient refusal, or no answer, starts a timer for the next attempt; a final refusal ends the membership, which
    owns this. Only the first failure of a row is logged.

    Parameters
    ----------
    room : str
    join : callable
        Sends the join, and returns when it is answered.
    refused : callable
        Called with the `CommandError` of a final refusal.
    spawn : callable
        Runs a coroutine as a task of the membership.
    """

    def __init__(
        self,
        room: str,
        join: Callable[[], Awaitable[object]],
        refused: Callable[[CommandError], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._room = room
        self._join = join
        self._refused = refused
        self._spawn = spawn
        self._backoff = Backoff(_RETRY, _RETRY_MAX)
        self._timer: asyncio.TimerHandle | None = None
        self._failing = False

    async def attempt(self) -> None:
        """Join now. A transient refusal, or no answer, schedules the next attempt.

        Raises
        ------
        Disconnected
            If the connection is lost. The room is joined after the next connect.
        """
        self.stop()  # the connection may be back before the timer: one join is enough
        try:
            await self._join()
        except CommandError as error:
            if error.code in FINAL:
                self._refused(error)
            else:
                self._retry(error)
        except AckTimeout as error:
            self._retry(error)
        else:
            self._failing = False
            self._backoff.reset()

    def stop(self) -> None:
        """Cancel the scheduled attempt."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _retry(self, error: RtmsgError) -> None:
        if not self._failing:
            self._failing = True
            logger.warning("room %r could not be joined again yet, it is tried until it can: %s", self._room, error)
        self._timer = asyncio.get_running_loop().call_later(self._backoff.next(), self._due)

    def soon(self) -> None:
        """Join in a task of the membership, whose end cancels it."""
        self._spawn(self._attempt_again())

    def _due(self) -> None:
        self._timer = None
        self.soon()

    async def _attempt_again(self) -> None:
        with contextlib.suppress(RtmsgError):  # the connection was lost: the next one joins
            await self.attempt()


class Resumption:
    """Decides by the reply of a join where the room continues: at the same event, or in another log.

    It sets the positions of the inbox, and remembers between which positions the missed events are. The membership owns
    it. Runs on the I/O loop.

    Parameters
    ----------
    room : str
    inbox : Inbox
    progress : Progress
    watchers : Watchers
    commands : Commands
    spawn : callable
        Runs a coroutine as a task of the membership.

    Attributes
    ----------
    missed : tuple of int or None
        The positions, of ``missed_era``, between which the events are that were missed before the first join.
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
        self.missed_era = NO_POSITION.era
        self.missed_count = 0
        self._missed_numbers: tuple[int | None, int | None] = (None, None)
        self._room = room
        self._inbox = inbox
        self._progress = progress
        self._watchers = watchers
        self._commands = commands
        self._spawn = spawn

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a join that continues after the last received event."""
        inbox = self._inbox
        position = Position(inbox.era, inbox.received, inbox.number, inbox.generation)
        return {"after": inbox.received, **position.fields}

    def entered(self, reply: Reply) -> None:
        """Start at the position of the first join's reply."""
        head: int = reply["head"]
        position = _position(reply)
        if reply.get("reason") in _RESETS:
            # The subscription's cursor belongs to a log, or an end of it, that is gone. The marker of `$reset` sets the
            # position, so handlers learn of the loss before they get the first event.
            self._inbox.start_at(NO_POSITION, head)
            self._reset(position, str(reply["reason"]))
        else:
            self._inbox.start_at(position, head)
        self._progress.start_at(self._inbox.position)
        if reply.get("missed"):
            self.missed, self.missed_era = (position.seq, head), position.era
            self.missed_count = reply["missed"]
            self._missed_numbers = (position.n, reply.get("head_n"))

    def returned(self, reply: Reply) -> None:
        """Continue at the position of a later join's reply."""
        era, here, reason = Era.of(reply), self._inbox.era, reply.get("reason")
        known, generation = self._inbox.generation, reply.get("generation")
        if known is not None and generation not in (None, known):  # the subscription was moved by a seek meanwhile
            if era.epoch == here.epoch and reason != ROLLBACK:
                self.sought(reply)
                return
            self._inbox.begin_generation(generation)
        if reason == ROLLBACK:  # first: a log that lost its end keeps its epoch
            self._reset(_position(reply), ROLLBACK)
        elif era.epoch != here.epoch and reply.get("recovered"):
            # Another epoch, and no event is lost: the hub has translated the position that this client sent.
            self._moved(_position(reply), reply["head"])
        elif reason == EPOCH or era.epoch != here.epoch:
            self._reset(_position(reply), EPOCH)
        else:
            if reply.get("cursor") == self._inbox.received:
                self._inbox.learn_number(reply.get("cursor_n"))
            if era != here or generation not in (None, known):
                # The hub restarted with the same log, or was upgraded: acknowledgements must name what it told now.
                self._inbox.turn(Position(era, self._inbox.received, self._inbox.number, generation))

    def sought(self, reply: Mapping[str, Any]) -> None:
        """Continue at the position to which the subscription was moved by a seek: drop what is queued."""
        position = _position(reply)
        logger.info("room %r: the subscription was moved to seq %s by a seek", self._room, position.seq)
        data = {"room": self._room, "cursor": position.seq, "generation": position.generation}
        self._inbox.seek(position, data)
        self._progress.start_at(position)
        self._watchers.notice("$seek", data)

    def opened(self, log: Mapping[str, Any]) -> None:
        """Take a ``$log``: if the same log continues in another opening, later positions are of that opening."""
        era = Era.of(log)
        if era.opening and era.epoch == self._inbox.era.epoch and era != self._inbox.era:
            self._inbox.turn(Position(era, self._inbox.received, self._inbox.number))

    def replaced(self, notice: Mapping[str, Any]) -> None:
        """Take a ``$reset``: the hub's log was replaced, so start anew."""
        self._reset(Position(Era.of(notice), 0, 0), EPOCH, str(notice.get("reason") or "the log was replaced"))

    def warn(self, reply: Reply) -> None:
        """Tell the user what else the reply of a join says: that something was lost, or starts anew."""
        if reply.get("closed"):
            logger.warning("an earlier connection to room %r was cut off: %s", self._room, reply["closed"])
        if reply.get("ended"):
            ended = datetime.fromtimestamp(reply["ended"] / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
            logger.warning(
                "room %r: the subscription %r had ended at %s, because it was not used for long; it starts anew",
                self._room, reply.get("as"), ended,
            )  # fmt: skip
        if reply.get("reason") == "trimmed" and self._inbox.number is None:  # otherwise the next number shows it
            logger.warning("room %r: events before seq %s are no longer held", self._room, reply.get("first"))
            self._inbox.pass_over(reply.get("first", 0) - 1)
        elif reply.get("reason") == "limit":
            self._inbox.learn_head(reply["head"])  # too many to be sent: they are read page by page

    def trimmed(self, read: int) -> int:
        """Return how many of the missed events are gone, if ``read`` of them could be read; 0 if it is not known."""
        first, last = self._missed_numbers
        return 0 if first is None or last is None else max(0, last - first - read)

    def _reset(self, position: Position, reason: str, text: str | None = None) -> None:
        logger.warning("room %r: %s", self._room, f"{text}; positions start anew" if text else _RESETS[reason])
        if reason == ROLLBACK:
            # The log gives the lost positions to new events. Acknowledging a lost event would acknowledge these.
            self._inbox.drop_after(position.seq)
            self.missed = self.missed and (min(self.missed[0], position.seq), min(self.missed[1], position.seq))
        self._turn(position, text or reason)

    def _turn(self, position: Position, reason: str, *, joined_at: int | None = None) -> None:
        data = {"room": self._room, "epoch": position.era.epoch, "reason": reason}
        self._inbox.turn(position, "$reset", data, joined_at=joined_at)
        self._watchers.notice("$reset", data)

    def _moved(self, position: Position, head: int) -> None:
        """Continue at the same event in another epoch: the hub moved its log from memory into the file.

        Queued events keep their old positions; the hub accepts these in acknowledgements.
        """
        logger.info("room %r: the log was moved; events have new positions", self._room)
        # While missed events are still being read, all events up to the head count as missed in the new log.
        caught_up = self._inbox.received >= self._inbox.joined_at
        self._turn(position, "moved", joined_at=position.seq if caught_up else head)
        self._spawn(self._translate_missed(position.era))

    async def _translate_missed(self, era: Era) -> None:
        """Ask the hub for the new positions of the missed events. After its restart it could no longer tell them."""
        if self.missed is None:
            return
        with contextlib.suppress(RtmsgError, asyncio.TimeoutError):
            after, head = [await self._translated(each) for each in self.missed]
            self.missed, self.missed_era = (after, head), era
            self._inbox.missed_until(head)

    async def _translated(self, seq: int) -> int:
        # The reply to `lag` has the position in the present log, whichever era the request names.
        reply = await self._commands.ask("lag", {"room": self._room, "after": seq, **self.missed_era.fields})
        cursor: int = reply["cursor"]
        return cursor


def _position(reply: Mapping[str, Any]) -> Position:
    """Return the position at which a join's reply starts."""
    cursor = reply["head"] if reply.get("cursor") is None else reply["cursor"]
    return Position(Era.of(reply), cursor, reply.get("cursor_n"), reply.get("generation"))
