"""The membership of a client in a room: joining, rejoining, and the way of events to the handlers."""

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
from .decoding import Era
from .failures import FailureLog
from .gaps import GapReader, TrimReport
from .inbox import UNREADABLE, Inbox
from .members import Member, MemberList, Members
from .parts import PartsLoader, PartsReader
from .progress import Progress
from .rejoin import Rejoin, Resumption
from .state import StateValues
from .tasks import Tasks
from .watchers import OpenStreams, Watchers
from .work import Surroundings
from .workers import RoomWorkers

logger = logging.getLogger(__name__)
_START_DELAY = 0.05  # seconds; the handlers of a cell are registered one by one, and all of them get the backlog
_LEAVE_TIMEOUT = 5.0  # seconds that the handlers of workers have to end when the room is left


class Membership:
    """One client in one room.

    It is made before the join is sent, since the backlog follows the reply at once. ``joined`` is set by the reply, and
    stays set while the connection is lost; then `rejoin` joins again. ``gone`` is set, with the reason, when the client
    has left, or the hub has ended the membership; no method changes that. `drain` stops the intake before that, while
    queued events are still handled.

    `HubConnection` owns it, and it owns its components and tasks. They run on the I/O loop, except for the executor,
    which calls handlers, and for what says "Thread-safe".

    Parameters
    ----------
    room : str
    as_ : str or None
        The requested subscription.
    commands : Commands
    make_executor : callable
        Makes the executor for the room's handlers, and those for sync workers.
    make_task_executor : callable
        Makes those for async workers.
    forget : callable
        Called once, with the membership, when it ends.
    will : mapping, optional
        What the hub publishes if this client is lost, as in docs/wire.md.

    Attributes
    ----------
    user, member : str or None
        The user that the hub authenticated, and this client's id among the members.
    place : str or None
        ``"taken"`` if another connection of this kernel's process has the subscription of its notebook.
    joined : bool
    gone : str or None
        Why this membership has ended.
    """

    def __init__(
        self,
        room: str,
        as_: str | None,
        commands: Commands,
        make_executor: ExecutorFactory,
        make_task_executor: ExecutorFactory,
        forget: Callable[[Membership], None],
        will: Mapping[str, Any] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks(f"rtmsg room {room}")
        self.room = room
        self.user: str | None = None
        self.member: str | None = None
        self.place: str | None = None
        self.joined = False
        self.gone: str | None = None
        self.members = Members()
        self.handlers, self.failures = Handlers(), FailureLog()
        self.spawn = spawn = self._tasks.spawn
        parts = PartsLoader(PartsReader.of(room, commands), spawn, self.call_soon)
        failed = self.failures.listener
        self.inbox = Inbox(room, self.handlers, self._handled, self._trimmed, failed=failed, loader=parts)
        self.executor = make_executor(self.inbox.calls, f"rtmsg room {room}")
        self.watchers = Watchers(room, self.handlers, self.call_soon)
        self.values = StateValues(room, self.inbox)
        makers, log = (make_executor, make_task_executor), lambda: self.inbox.era
        around = Surroundings(room, commands, spawn, self.call_soon, log, *makers, self.failures, parts)
        self.workers = RoomWorkers(around, self.handlers)
        self.progress = Progress(room, self.inbox, commands, spawn, lambda: self._rejoin.soon(), as_)
        self.resumption = Resumption(room, self.inbox, self.progress, self.watchers, commands, spawn)
        self._rejoin = Rejoin(room, self._join_again, self.refused, spawn)
        self._gap_reader = GapReader(room, self.inbox, commands, spawn, self._is_member, self._wake_executor)
        self._trim_report = TrimReport(room)
        self._as, self.will, self._commands, self._forget = as_, will, commands, forget
        self._streams = OpenStreams()
        self._starting: asyncio.TimerHandle | None = None

    # --- joining

    async def join(self, start: Mapping[str, Any]) -> None:
        """Join for the first time, with the ``start`` fields of the request."""
        await self._commands.ask("join", self._request(start), then=self._entered)

    async def rejoin(self) -> None:
        """Join again, from the last received event on; see `Rejoin.attempt`."""
        await self._rejoin.attempt()

    async def _join_again(self) -> None:
        start = self.resumption.fields
        if self.place is not None:
            start["place"] = self.place  # the connection that had it may rejoin later than this one
        await self._commands.ask("join", self._request(start), then=self._returned)

    def _request(self, start: Mapping[str, Any]) -> dict[str, Any]:
        return {"room": self.room, **{key: it for key, it in (("as", self._as), ("will", self.will)) if it}, **start}

    # Replies are taken while they are read, since the backlog follows them in the same bytes.

    def _entered(self, reply: Reply) -> None:
        self.joined = True
        self.resumption.entered(reply)
        self._take(reply, started=reply.get("cursor", 0))

    def _returned(self, reply: Reply) -> None:
        self.resumption.returned(reply)
        self._take(reply)
        self.workers.resume()

    def _take(self, reply: Reply, *, started: int = -1) -> None:
        self.values.expect(reply.get("state", 0), reply["head"], started)
        self.progress.subscribed(reply.get("as", self._as))
        self.user, self.member, self.place = reply.get("user"), reply.get("member"), reply.get("place")
        self.members.replace(reply.get("members", ()), reply.get("count", 0))
        self.resumption.warn(reply)
        self.wake()
        self.progress.handled()  # an acknowledgement that was lost with the connection is sent now

    # --- what the hub sends

    def live(self, args: list[Any], size: int) -> None:
        """Take an event of the room."""
        if self.joined and args[0] == "$work":
            self.workers.take(args)
        elif self.joined and not ("key" in args[2] and self.values.take(args, size)):
            self.inbox.live(args, size)
            self.watchers.live(args, size)

    def skip(self, args: list[Any]) -> None:
        """Take an event of the room that cannot be decoded: no handler is called, and the cursor moves on."""
        if self.joined and args[0] == "$work":
            self.workers.take(args, readable=False)
        elif self.joined:
            self.inbox.live([args[0], UNREADABLE, args[2]], 0)

    def notice(self, name: str, data: Mapping[str, Any]) -> None:
        """Take an event of the hub itself."""
        if name == "$trimmed":
            self.inbox.trimmed(*(int(data.get(key) or 0) for key in ("first", "last", "through")))
        elif name == "$reset":
            if data.get("reason") != "moved":  # a moved log knows the positions of this client, and the join tells
                self.resumption.replaced(data)
            self._rejoin.soon()
        elif name == "$seek":
            self.sought(data)
            self._rejoin.soon()
        else:
            self._pass_on(name, data)

    def _pass_on(self, name: str, data: Mapping[str, Any]) -> None:
        if name == "$presence":
            self.members.change(data.get("changes", ()), data.get("count", 0))
        if name == "$group":
            self.workers.notice(data)
        self.watchers.notice(name, data)
        if name == "$expired":
            self.values.expired(data.get("keys") or {})
        if name == "$taken":
            self._taken(data)
            return
        self.inbox.notice(name, data)
        if name == "$deleted":
            self.deleted(str(data.get("user")))

    def sought(self, fields: Mapping[str, Any]) -> None:
        """Take the reply of a seek, or a ``$seek``. Join again after it: the hub then sends what follows."""
        if fields["generation"] > (self.inbox.generation or 0) and Era.of(fields) == self.inbox.era:
            self.resumption.sought(fields)
            self.wake()

    def _trimmed(self, data: Mapping[str, Any]) -> None:
        self._trim_report.add(data)
        self.watchers.notice("$trimmed", data)

    def renamed(self, old: str, new: str) -> None:
        """Learn that a notebook was renamed. If it is this kernel's, so is its subscription."""
        if self._as is None and self.progress.subscription == old:
            self.progress.subscribed(new)
            self.watchers.notice("$renamed", {"room": self.room, "old": old, "notebook": new})

    def state_changed(self, state: str) -> None:
        """Tell the watchers the new state of the connection."""
        if state != "connected":
            self.workers.offline()
        self.watchers.notice("$state", {"room": self.room, "state": state})

    def refused(self, error: CommandError) -> None:
        """End, since the hub refuses the membership for good. Handlers get ``$left``."""
        if self.gone is not None:
            return
        self.inbox.notice("$left", {"room": self.room, "code": error.code, "reason": error.message})
        self.end(f"the hub no longer lets this client into room {self.room!r}: {error}", drain=True)
        logger.error("%s", self.gone)

    def _taken(self, data: Mapping[str, Any]) -> None:
        self.inbox.clear()  # the new owner of the subscription gets the unhandled events
        self.inbox.notice("$taken", data)
        taken = f"another connection took over the subscription {data.get('as')!r} of room {self.room!r}"
        self.end(f"{taken}: this one receives no more of it. Join again to take it back", drain=True)
        logger.warning("%s", self.gone)

    def deleted(self, user: str) -> None:
        """End, since a user deleted the room. Queued events are still handled."""
        if self.gone is None:
            reason = f"room {self.room!r} was deleted by {user}, with all that it held: join it again to make it anew"
            self.end(reason, drain=True)

    def wake(self) -> None:
        """Wake the executors, and read events that the inbox left out. Called after each batch."""
        self._wake_executor()
        self.workers.wake()
        if self.inbox.has_gap:
            self._gap_reader.check()

    def _wake_executor(self) -> None:
        if self.inbox.started:
            self.executor.wake()

    def _is_member(self) -> bool:
        return self.joined and self.gone is None

    def _handled(self) -> None:
        """Schedule `_progressed` on the I/O loop. Called by the executor."""
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._progressed)

    def _progressed(self) -> None:
        if self.gone is None:
            if self.inbox.has_gap:
                self._gap_reader.check()  # the queue may have capacity again
            self.progress.handled()

    # --- state, as `AsyncRoom` shows it. Thread-safe

    @property
    def subscription(self) -> str | None:
        """The subscription whose cursor the hub keeps."""
        return self.progress.subscription

    @property
    def state(self) -> str:
        """The state of the connection, or ``"closed"`` after the membership has ended."""
        return "closed" if self.gone is not None else self._commands.state

    @property
    def head(self) -> int:
        """The seq of the newest known event."""
        return max(self.inbox.seen, self.inbox.joined_at)

    @property
    def lag(self) -> int:
        """How many events are not handled yet or, with a subscription, not acknowledged yet."""
        return self.inbox.put_count - self.progress.count + self.inbox.unread

    @property
    def me(self) -> Member | None:
        """The member that is this client."""
        return self.members.find(self.member, self.user)

    @property
    def member_list(self) -> MemberList:
        """The members as users see them."""
        return MemberList(self.members.all(), self.members.count, self.member, self.user)

    @property
    def has_handlers(self) -> bool:
        """Whether there are handlers or watchers."""
        return bool(self.handlers) or bool(self.watchers) or bool(self.workers)

    def check(self) -> None:
        """Raise `NotJoined` if the membership has ended."""
        if self.gone is not None:
            raise NotJoined(self.gone)

    # --- handlers. Thread-safe

    def register(self, handler: Handler, *, at_once: bool = False) -> None:
        """Add a handler. The first one starts the handling of queued events, a moment later unless ``at_once``."""
        self.check()
        self.handlers.add(handler)  # before the start is scheduled, or the backlog could pass it
        self.call_soon(self._start if at_once else self._start_soon)

    def register_stream(self, handler: Handler, close: Callable[[], None]) -> Callable[[], None]:
        """Add the handler of a stream of events, which is closed when the intake stops; return what removes it."""
        self.register(handler, at_once=True)
        return self._streams.add(close, lambda: self.handlers.discard(handler))

    def call_soon(self, function: Callable[[], None]) -> None:
        """Schedule a function on the I/O loop."""
        self._loop.call_soon_threadsafe(function)

    def replay(self, events: Sequence[Event]) -> concurrent.futures.Future[int]:
        """Queue events to be handled again. The future's result is their number, once they are handled."""
        self.check()
        done = self.inbox.replays.add(events if self.handlers else ())  # without handlers the future must end, too
        self._loop.call_soon_threadsafe(self._start)
        return done

    def _start_soon(self) -> None:
        if not self.inbox.started and self._starting is None:
            self._starting = self._loop.call_later(_START_DELAY, self._start)

    def _start(self) -> None:
        if self.gone is None:
            self.inbox.start()
            self.wake()

    # --- the end

    def drain(self) -> None:
        """Stop the intake, and have the queued events handled."""
        if self.gone is not None or not self.joined:
            return
        if self.handlers:
            self._start()
        self.workers.drain()
        self.joined = False  # from here on `live` takes nothing
        self._streams.close()  # a loop over the events ends after the queued ones
        if self.executor.inside():
            self.executor.close()  # a handler that closes its own client is the last one to run
        else:
            self.executor.drain()

    async def drained(self, timeout: float) -> None:
        """Wait until the queued events, and those that workers have begun, are handled, at most ``timeout`` seconds."""
        done = await asyncio.gather(self.executor.drained(timeout), self.workers.drained(timeout))
        if not all(done):
            logger.warning("room %r: a handler had not returned %g s after the client was closed", self.room, timeout)
        waiting = self.inbox.waiting
        if waiting and self.handlers:
            logger.warning("room %r: %d events were not handled when the client was closed", self.room, waiting)

    async def leave(self) -> None:
        """Acknowledge the handled events, and leave."""
        if self.gone is not None:
            return
        self._commands.check_loop()
        self.executor.close()  # first: events that are handled after the last acknowledgement would come again
        await self.workers.leave(_LEAVE_TIMEOUT if self.joined else 0.0)  # after `drain` they were waited for
        await self.progress.acknowledge()
        self.end(f"room {self.room!r} was left: join it again")
        with contextlib.suppress(RtmsgError, asyncio.TimeoutError):
            await self._commands.ask("leave", {"room": self.room})

    def end(self, reason: str, *, drain: bool = False) -> None:
        """End the membership. With ``drain`` the queued events are still handled."""
        self.gone = self.gone or reason  # the first reason is the one that users need
        self._forget(self)
        self.watchers.notice("$left", {"room": self.room, "reason": self.gone})
        self._streams.close()
        self.progress.stop()
        self._rejoin.stop()
        self._trim_report.stop()
        self._gap_reader.stop()
        self._tasks.cancel()
        self.workers.end(self.gone)
        if self._starting:
            self._starting.cancel()
        if drain and self.handlers:
            self.inbox.start()
            self.executor.wake()
            self.executor.drain()
        else:
            self.inbox.clear()
            self.executor.close()
