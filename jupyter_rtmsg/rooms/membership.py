"""Being in a room: joining, coming back after a reconnect, and getting every event once and in order."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jupyter_rtmsg.client.executor import ExecutorFactory
from jupyter_rtmsg.client.handlers import Handler, Handlers
from jupyter_rtmsg.errors import CommandError, NotJoined, RtmsgError
from jupyter_rtmsg.event import Event

from .commands import Commands, Reply
from .inbox import UNREADABLE, Inbox
from .losses import Losses
from .members import Member, Members
from .progress import Progress
from .rejoin import Rejoin
from .repair import Repair
from .resumption import Resumption
from .watchers import Watchers

_log = logging.getLogger("jupyter_rtmsg")
_SETTLE = 0.05  # the handlers of a cell are registered one by one: the first must not have the backlog to itself
_TROUBLES = (RtmsgError, asyncio.TimeoutError)


class Membership:
    """One client in one room. All of it runs on the I/O loop, but what says otherwise.

    Parameters
    ----------
    room : str
    as_ : str or None
        The subscription asked for.
    commands : Commands
    make_executor : callable
        Makes the executor for the room's handlers.
    forget : callable
        Called when the room is left or lost.

    Attributes
    ----------
    user, member : str or None
        Who the hub takes this client for, and its id among the members.
    place : str or None
        ``"taken"`` where another connection of this kernel's process has the place of its notebook.
    gone : str or None
        Why this is no member any more.
    """

    def __init__(
        self,
        room: str,
        as_: str | None,
        commands: Commands,
        make_executor: ExecutorFactory,
        forget: Callable[[Membership], None],
    ) -> None:
        self.room = room
        self.user: str | None = None
        self.member: str | None = None
        self.place: str | None = None
        self.members = Members()
        self.handlers = Handlers()
        self.inbox = Inbox(room, self.handlers, self._tell, self._trimmed)
        self.executor = make_executor(self.inbox.calls, f"rtmsg room {room}")
        self.joined = False
        self.gone: str | None = None
        self.watchers = Watchers(room, self.handlers, self.soon)
        self.streams: set[Callable[[], None]] = set()
        self._as = as_
        self._commands = commands
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.progress = Progress(room, self.inbox, commands, self._spawn, as_)
        self.progress.subscription = as_
        self._rejoin = Rejoin(room, self._join_again, self.refused, self._spawn)
        self._repair = Repair(room, self.inbox, commands, self._spawn, self._is_member, self._wake)
        self.resumption = Resumption(room, self.inbox, self.progress, self.watchers, commands, self._spawn)
        self._losses = Losses(room)
        self._settling: asyncio.TimerHandle | None = None

    # --- entering, and coming back

    async def enter(self, start: Mapping[str, Any]) -> None:
        """Join for the first time."""
        await self._commands.ask("join", self._request(start), then=self._entered)

    async def come_back(self) -> None:
        """Join again after a reconnect, from where this client has come to; see `Rejoin`."""
        await self._rejoin.attempt()

    async def _join_again(self) -> None:
        start = self.resumption.fields
        if self.place is not None:
            start["place"] = self.place  # whoever had it may come back later than this one
        await self._commands.ask("join", self._request(start), then=self._returned)

    def refused(self, error: CommandError) -> None:
        """Be no member any more, since the hub refuses it for good; handlers hear of it."""
        if self.gone is not None:
            return
        self.inbox.notice("$left", {"room": self.room, "code": error.code, "reason": error.message})
        self.end(f"the hub no longer lets this client into room {self.room!r}: {error}", last_words=True)
        _log.error("%s", self.gone)

    def _request(self, start: Mapping[str, Any]) -> dict[str, Any]:
        return {"room": self.room, **({"as": self._as} if self._as else {}), **start}

    # The replies are taken while they are read: the backlog is right behind them, in the same bytes.

    def _entered(self, reply: Reply) -> None:
        self.joined = True
        self.resumption.entered(reply)
        self._take(reply)

    def _returned(self, reply: Reply) -> None:
        self.resumption.returned(reply)
        self._take(reply)

    def _take(self, reply: Reply) -> None:
        self.progress.subscription = reply.get("as", self._as)
        self.user, self.member, self.place = reply.get("user"), reply.get("member"), reply.get("place")
        self.members.replace(reply.get("members", ()), reply.get("count", 0))
        if reply.get("closed"):
            _log.warning("an earlier connection to room %r was cut off: %s", self.room, reply["closed"])
        if reply.get("reason") == "trimmed" and self.inbox.number is None:  # else the numbers of the events tell
            _log.warning("room %r: events before seq %s are no longer held", self.room, reply.get("first"))
            self.inbox.pass_over(reply.get("first", 0) - 1)
        elif reply.get("reason") == "limit":
            self.inbox.seen = max(self.inbox.seen, reply["head"])  # too many to be sent: they are read page by page
        self.look()
        self.progress.handled()  # an acknowledgement that was lost with the connection is sent now

    # --- what the client hands in

    def live(self, args: list[Any], size: int) -> None:
        """Take an event of the room."""
        if self.joined:
            self.inbox.live(args, size)
            self.watchers.live(args, size)

    def skip(self, args: list[Any]) -> None:
        """Take an event of the room whose data cannot be read: no handler sees it, and the cursor moves."""
        if self.joined:
            self.inbox.live([args[0], UNREADABLE, args[2]], 0)

    def notice(self, name: str, data: Mapping[str, Any]) -> None:
        """Take one of the hub's own events."""
        if name == "$presence":
            self.members.change(data.get("changes", ()), data.get("count", 0))
        if name == "$reset" and data.get("reason") == "moved":
            self._spawn(self._enter_anew())  # from where this client has come to, by the positions that it knows
            return
        if name == "$reset":
            self.resumption.replaced(data)
            self._spawn(self._enter_anew())
            return
        if name == "$trimmed":
            self.inbox.trimmed(*(int(data.get(key) or 0) for key in ("first", "last", "through")))
            return
        self.watchers.notice(name, data)
        if name == "$taken":
            self._taken(data)
        elif name == "$deleted":
            self.inbox.notice(name, data)
            self.deleted(str(data.get("user")))
        else:
            self.inbox.notice(name, data)

    def _trimmed(self, data: Mapping[str, Any]) -> None:
        self._losses.add(data)
        self.watchers.notice("$trimmed", data)

    def renamed(self, old: str, new: str) -> None:
        """Learn that the notebook whose place this is has another name."""
        if self._as is None and self.progress.subscription == old:
            self.progress.subscription = new
            self.watchers.notice("$renamed", {"room": self.room, "old": old, "notebook": new})

    def _taken(self, data: Mapping[str, Any]) -> None:
        self.inbox.clear()  # the new owner gets what was not handled here
        self.inbox.notice("$taken", data)
        taken = f"another connection took over the subscription {data.get('as')!r} of room {self.room!r}"
        self.end(f"{taken}: this one receives no more of it. Join again to take it back", last_words=True)
        _log.warning("%s", self.gone)

    def deleted(self, user: str) -> None:
        """Be no member any more, since a user deleted the room; handlers get what came before."""
        if self.gone is None:
            why = f"room {self.room!r} was deleted by {user}, with all that it held: join it again to make it anew"
            self.end(why, last_words=True)

    def look(self) -> None:
        """Wake the executor, because something came, and read what did not come."""
        self._wake()
        self._repair.look()

    def _wake(self) -> None:
        if self.inbox.started:
            self.executor.wake()

    async def _enter_anew(self) -> None:
        with contextlib.suppress(*_TROUBLES):  # then the next connection does it
            await self.come_back()

    def _is_member(self) -> bool:
        return self.joined and self.gone is None

    def _spawn(self, coroutine: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(coroutine, name=f"rtmsg room {self.room}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- what was handled is acknowledged

    def _tell(self) -> None:
        """Say on the loop that handlers have got on. Called on the executor."""
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._progress)

    def _progress(self) -> None:
        if self.gone is None:
            self._repair.look()  # the queue may have room again
            self.progress.handled()

    # --- what a room asks

    @property
    def subscription(self) -> str | None:
        """The one that the hub keeps. Any thread may ask."""
        return self.progress.subscription

    @property
    def state(self) -> str:
        """The client's state, or ``"closed"`` once this is no member any more. Any thread may ask."""
        return "closed" if self.gone is not None else self._commands.state

    @property
    def head(self) -> int:
        """The seq of the newest event known. Any thread may ask."""
        return max(self.inbox.seen, self.inbox.joined_at)

    @property
    def lag(self) -> int:
        """How many events are to be handled still, and acknowledged where that counts. Any thread may ask."""
        return self.inbox.put_count - self.progress.count + self.inbox.unread

    @property
    def me(self) -> Member | None:
        """Who this client is. Any thread may ask."""
        if self.member is None:
            return None
        return self.members.get(self.member) or Member(self.member, self.user or "", "", self.user or "")

    @property
    def has_handlers(self) -> bool:
        """Whether there are handlers, or functions that look on."""
        return bool(self.handlers) or bool(self.watchers)

    def check(self) -> None:
        """Refuse to go on in a room that was left or lost, with `NotJoined`. Any thread may ask."""
        if self.gone is not None:
            raise NotJoined(self.gone)

    def register(self, handler: Handler, *, at_once: bool = False) -> None:
        """Add a handler; the first one starts what waits, a moment later. Any thread may."""
        self.check()
        self.handlers.add(handler)
        self.soon(self.start if at_once else self._start_soon)

    def soon(self, function: Callable[[], None]) -> None:
        """Have a function called on the I/O loop. Any thread may."""
        self._loop.call_soon_threadsafe(function)

    def _start_soon(self) -> None:
        if not self.inbox.started and self._settling is None:
            self._settling = self._loop.call_later(_SETTLE, self.start)

    def start(self) -> None:
        """Have the handlers begin."""
        if self.gone is None:
            self.inbox.started = True
            self.look()

    def replay(self, events: Sequence[Event]) -> concurrent.futures.Future[int]:
        """Have events handled again; the future gives their number once they are. Any thread may."""
        self.check()
        done = self.inbox.replay(events if self.handlers else ())
        self._loop.call_soon_threadsafe(self.start)
        return done

    def finish(self) -> None:
        """Take no more events, and have what came handled."""
        if self.gone is not None or not self.joined:
            return
        if self.handlers:
            self.start()
        self.joined = False
        for close in list(self.streams):
            close()  # a loop over them gets what came, but nobody has to take it now
        if self.executor.inside():
            self.executor.close()  # a handler that closes its client cannot be waited for: it is the last
        else:
            self.executor.drain()

    async def finished(self, timeout: float) -> None:
        """Wait until what came was handled, for at most so many seconds."""
        if not await self.executor.drained(timeout):
            _log.warning("room %r: a handler had not returned %g s after the client was closed", self.room, timeout)
        waiting = self.inbox.waiting
        if waiting and self.handlers:
            _log.warning("room %r: %d events were not handled when the client was closed", self.room, waiting)

    async def leave(self) -> None:
        """Acknowledge what was handled, and leave."""
        if self.gone is not None:
            return
        self._commands.check_loop()
        self.executor.close()  # first: what is handled after the last ack would come again
        await self.progress.acknowledge()
        self.end(f"room {self.room!r} was left: join it again")
        with contextlib.suppress(*_TROUBLES):
            await self._commands.ask("leave", {"room": self.room})

    def end(self, why: str, *, last_words: bool = False) -> None:
        """Be no member any more; with ``last_words`` the handlers still get what is in the queue."""
        self.gone = self.gone or why
        self._forget(self)
        self.watchers.notice("$left", {"room": self.room, "reason": self.gone})
        for close in list(self.streams):
            close()
        self.progress.stop()
        self._rejoin.stop()
        self._losses.stop()
        for task in self._tasks - {_current_task()}:
            task.cancel()
        self._repair.stop()
        if self._settling:
            self._settling.cancel()
        if last_words and self.handlers:
            self.inbox.started = True
            self.executor.wake()
            self.executor.drain()
        else:
            self.inbox.clear()
            self.executor.close()


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs here
        return None
