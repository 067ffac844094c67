"""A worker: the function that this client has for the events of one group."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.client.executor import Call
from jupyter_rtmsg.client.handlers import SHOWN, Handler
from jupyter_rtmsg.client.lanes import Lanes
from jupyter_rtmsg.errors import AckTimeout, CommandError, Disconnected, RtmsgError
from jupyter_rtmsg.logthrottle import throttled_logger

from .commands import NOT_NOW, Reply
from .decoding import Era
from .delivery import State, WorkDelivery, entries_of
from .parts import Unavailable
from .settlements import Settlements
from .work import Surroundings, WorkerState, WorkSettings, is_async

_RETRY, _RETRY_MAX = 0.5, 30.0  # seconds until `work` is sent again
logger = throttled_logger(__name__)


class RoomWorker:
    """The events of one group on their way to a function, and back to the hub as outcomes.

    *starting* until the hub has answered ``work``; *working*; *away* while there is no connection, or ``work`` is not
    answered again; *leaving*: nothing new begins, and running handlers go on; *ended*, with ``gone``. Only while it is
    working do handlers begin: away from the hub, their events may be given to others after the grace time.

    `RoomWorkers` owns it. ``_held`` has what the hub counts as this client's, by seq, until the hub has confirmed the
    outcome; ``_queue`` those deliveries that were not begun. The I/O loop owns both, and the executors take from the
    queue's other end. `_lanes` are replaced with the function, and the old ones end with what they run.

    Parameters
    ----------
    handler : Handler
    settings : WorkSettings
    around : Surroundings
    ended : callable
        Called with the worker when it has ended.

    Attributes
    ----------
    group : str
    handler : Handler
        The present function.
    settings : WorkSettings
    state : WorkerState
    gone : str or None
        Why it has ended.
    """

    def __init__(
        self, handler: Handler, settings: WorkSettings, around: Surroundings, ended: Callable[[RoomWorker], None]
    ) -> None:
        self.group = settings.group
        self.handler = handler
        self.settings = settings
        self.state = WorkerState.STARTING
        self.gone: str | None = None
        self._around = around
        self._ended = ended
        self._address = {"room": around.room, "group": self.group}
        self._held: dict[int, WorkDelivery] = {}
        self._queue: deque[WorkDelivery] = deque()
        self._lanes = self._make_lanes()
        self._old_lanes: list[Lanes] = []
        self._settlements = Settlements(
            self._address, around.commands, around.spawn, around.call_soon, self._confirmed, self._answered,
            lambda: len(self._queue),
        )  # fmt: skip
        self._era: Era | None = None
        self._at_hub = False  # whether the hub counts this client as a worker of the group
        self._deaths = 0
        self._backoff = Backoff(_RETRY, _RETRY_MAX)
        self._retry: asyncio.TimerHandle | None = None

    def _make_lanes(self) -> Lanes:
        threads = not is_async(self.handler.function)
        make = self._around.make_executor if threads else self._around.make_task_executor
        name = f"rtmsg {self._around.room} worker {self.group}"
        lanes = Lanes(
            lambda: self._calls(lanes), name, self.settings.max_in_flight, make, lambda: len(self._queue),
            threads=threads,
        )  # fmt: skip
        return lanes

    # --- the command `work`

    async def start(self) -> int:
        """Begin to work, or tell the hub new settings; return how many dead letters wait.

        Raises
        ------
        CommandError
            If the hub refuses, as `GroupConflict` does.
        """
        reply = await self._around.commands.patiently(self._work, transient=True)
        return int(reply.get("dead") or 0)

    async def resume(self) -> None:
        """Go on after a reconnect. A transient refusal, or no answer, schedules the next attempt."""
        self._stop_timer()
        if self.state is WorkerState.LEAVING:
            self.end("the connection was lost while it ended")
        if self.state not in (WorkerState.AWAY, WorkerState.WORKING):
            return
        try:
            await self._work()
        except Disconnected:
            return  # the next connection resumes
        except (CommandError, AckTimeout) as error:
            if isinstance(error, CommandError) and not error.transient and error.code not in NOT_NOW:
                self._refused(error)
                return
            logger.warning("room %r: the worker of %r cannot go on yet: %s", self._around.room, self.group, error)
            self._retry = asyncio.get_running_loop().call_later(
                self._backoff.next(), lambda: self._around.spawn(self.resume())
            )
        else:
            self._backoff.reset()

    async def _work(self) -> Reply:
        era = self._era or self._around.era()
        request = {**self._address, **self.settings.request(era), **era.fields, "batches": True}
        holds = [(delivery.seq, delivery.attempt) for delivery in self._held.values()]
        if holds:
            request["holds"] = holds
        return await self._around.commands.ask("work", request, then=lambda reply: self._began(reply, holds))

    def _began(self, reply: Reply, holds: Sequence[tuple[int, int]]) -> None:
        if self.state in (WorkerState.LEAVING, WorkerState.ENDED):
            return
        self._lose(set(holds) - {(each[0], each[1]) for each in reply.get("held", ())})
        self._era = Era.of(reply)
        self._at_hub = True
        self.state = WorkerState.WORKING
        self._settlements.connected()
        self.wake()

    def _lose(self, lost: set[tuple[int, int]]) -> None:
        """Let go of what the hub does not count as this client's any more."""
        for delivery in list(self._held.values()):
            if (delivery.seq, delivery.attempt) in lost:
                if delivery.state is State.RUNNING:
                    logger.warning(
                        "room %r, group %r: event %s went to another worker while this client was away; its handler "
                        "still runs", self._around.room, self.group, delivery.seq,
                    )  # fmt: skip
                self._let_go(delivery)
        self._drop_gone()

    def _refused(self, error: RtmsgError) -> None:
        """End, since the hub refuses for good, and say so in the cell."""
        self.end(f"the hub no longer lets this client work for group {self.group!r}: {error}")
        self._tell(f"the worker of group {self.group!r} has ended: {error}")
        logger.error("room %r: %s", self._around.room, self.gone)

    # --- what the hub sends

    def take(self, args: list[Any], *, readable: bool = True) -> None:
        """Take a ``$work``: a delivery, or a batch of them."""
        for event, data, meta in entries_of(args):
            earlier = self._held.get(meta["seq"])
            if earlier is not None and not earlier.under_way:
                # Its handler runs, or has ended while the connection was lost: the event need not be handled twice.
                earlier.adopt(meta)
                continue
            delivery = WorkDelivery(event, data, meta, self._settlements)
            self._held[delivery.seq] = delivery
            if readable:
                self._queue.append(delivery)
            else:
                delivery.unreadable()
                self._settlements.hand_in(delivery)

    def wake(self) -> None:
        """Have handlers called for what was taken. Called after each batch."""
        if self.state is WorkerState.WORKING and self._queue:
            self._lanes.wake()

    def notice(self, data: Mapping[str, Any]) -> None:
        """Take a ``$group``: the group was paused, resumed or deleted."""
        if data.get("state") == "deleted":
            reason = f"group {self.group!r} was deleted by {data.get('user')}: run the worker's cell to make it anew"
            self._at_hub = False
            self.end(reason)
            self._tell(reason)

    def offline(self) -> None:
        """Learn that the connection is lost."""
        self._stop_timer()
        self._settlements.lost()
        self._at_hub = False
        if self.state is WorkerState.WORKING:
            self.state = WorkerState.AWAY

    # --- the executors' side

    def _calls(self, lanes: Lanes) -> Iterator[Call]:
        room, hand_in = self._around.room, self._settlements.hand_in
        while self.state is WorkerState.WORKING and lanes is self._lanes:
            try:
                delivery = self._queue.popleft()
            except IndexError:
                return
            if delivery.in_parts is not None and delivery.state is State.WAITING:
                yield from self._load(delivery)
            if delivery.state is not State.WAITING:
                continue
            try:
                yield Call(self.handler, (delivery.begin(room),), None, self._failed)
            except GeneratorExit:  # the executor was closed, or its task cancelled: nobody knows how far the handler is
                delivery.give_back()
                raise
            else:
                delivery.returned()
            finally:
                hand_in(delivery)

    def _load(self, delivery: WorkDelivery) -> Iterator[Call]:
        """Load the data of an event in parts. If they cannot be loaded, no handler is called."""
        assert delivery.in_parts is not None
        outcome: Callable[[], None] | None = delivery.give_back  # of an executor that is closed meanwhile
        try:
            value = yield from self._around.loader.calls(*delivery.in_parts, self._era or self._around.era())
            if not isinstance(value, Unavailable):
                delivery.load(value)
                outcome = None
            elif not isinstance(value.error, Disconnected):
                outcome = partial(delivery.unreadable, f"its data could not be loaded: {value.error}")
        finally:
            if outcome is not None:
                outcome()
                self._settlements.hand_in(delivery)

    def _failed(self, call: Call, error: BaseException) -> None:
        call.args[0].delivery.failed(error)
        self._around.failures.worker(self.group, call, error)

    # --- outcomes

    def _confirmed(self, delivery: WorkDelivery, stale: bool) -> None:
        if stale and delivery.state is not State.GONE:
            logger.warning(
                "room %r, group %r: event %s was handled, but had been given to another worker meanwhile%s",
                self._around.room, self.group, delivery.seq,
                f": ack_wait={self.settings.ack_wait:g} was too short, or call event.working()"
                if self.settings.ack_wait else "",
            )  # fmt: skip
        self._let_go(delivery)

    def _let_go(self, delivery: WorkDelivery) -> None:
        delivery.drop()
        if self._held.get(delivery.seq) is delivery:
            del self._held[delivery.seq]

    def _drop_gone(self) -> None:
        """Drop what was not begun and is not this client's; the executors take from the other end meanwhile."""
        for _ in range(len(self._queue)):
            try:
                delivery = self._queue.popleft()
            except IndexError:
                return
            if delivery.state is not State.GONE:
                self._queue.append(delivery)

    def _answered(self, reply: Reply) -> None:
        dead = int(reply.get("dead") or 0)
        if dead:
            self._deaths += dead
            if self._deaths in SHOWN or dead > 1:
                who = (
                    f"{dead} events of group {self.group!r} are dead letters"
                    if dead > 1
                    else "1 event is a dead letter"
                )
                self._tell(f'{who} now: room.dead_letters("{self.group}")')

    def _tell(self, text: str) -> None:
        """Print a line in the cell of the worker."""
        self.handler.context.copy().run(print, text, file=sys.stderr, flush=True)

    # --- another function, and the end

    def replace(self, handler: Handler, settings: WorkSettings) -> None:
        """Call another function from now on. Runs on the I/O loop; a call that runs ends with the old one."""
        same = is_async(handler.function) == is_async(self.handler.function)
        same = same and settings.max_in_flight == self.settings.max_in_flight
        if self.state is WorkerState.LEAVING:
            self.state, same = WorkerState.STARTING, False
        self.handler, self.settings = handler, settings
        if not same:
            lanes, self._lanes = self._lanes, self._make_lanes()
            lanes.drain()
            self._old_lanes = [*(each for each in self._old_lanes if each.busy), lanes]
        self.wake()

    @property
    def running(self) -> int:
        """How many handlers run."""
        return sum(delivery.state is State.RUNNING for delivery in list(self._held.values()))

    def inside(self) -> bool:
        """Return whether the caller is the function. Thread-safe."""
        return any(lanes.inside() for lanes in (self._lanes, *self._old_lanes))

    def close_inside(self) -> None:
        """If the caller is the function, let nobody wait for its end. Thread-safe."""
        for lanes in (self._lanes, *self._old_lanes):
            lanes.close_inside()

    def drain(self) -> None:
        """Begin nothing more, and give back what was not begun."""
        if self.state in (WorkerState.LEAVING, WorkerState.ENDED):
            return
        connected = self.state is WorkerState.WORKING
        self.state = WorkerState.LEAVING
        self._stop_timer()
        while self._queue:
            self._let_go(self._queue.popleft())
        for lanes in (self._lanes, *self._old_lanes):
            lanes.drain()
        if connected:
            self._around.spawn(self._unwork([delivery.name for delivery in self._held.values()]))

    async def _unwork(self, keep: list[list[int]]) -> None:
        """Tell the hub that nothing more is wanted; it gives back what is not kept."""
        self._at_hub = bool(keep)
        try:
            await self._around.commands.ask("unwork", {**self._address, **({"keep": keep} if keep else {})})
        except RtmsgError as error:
            logger.info("room %r: group %r was not left yet: %s", self._around.room, self.group, error)

    async def drained(self, timeout: float) -> bool:
        """Wait until the running handlers have ended; return False if one has not after ``timeout`` seconds."""
        return all([await lanes.drained(timeout) for lanes in (self._lanes, *self._old_lanes)])

    async def leave(self, timeout: float, goodbye: float) -> None:
        """Stop: wait for running handlers and, up to ``goodbye`` seconds, until the hub has their outcomes."""
        self.drain()
        if not await self.drained(timeout):
            logger.warning(
                "room %r, group %r: a handler had not returned after %g s; its event is given to another worker",
                self._around.room, self.group, timeout,
            )  # fmt: skip
        if not await self._settlements.flushed(goodbye):
            logger.warning("room %r, group %r: the hub did not confirm all outcomes", self._around.room, self.group)
        if self.state is WorkerState.LEAVING and self._at_hub:  # not if the function was registered again meanwhile
            await self._unwork([])

    async def stop(self) -> None:
        """End, as another cell has the place of this one. Running handlers end, and their outcomes count."""
        await self.leave(float("inf"), float("inf"))
        if self.state is WorkerState.LEAVING:
            self.end("its cell was run again without it")

    def end(self, reason: str) -> None:
        """End at once. What runs goes on, and nobody gets its outcome."""
        if self.state is WorkerState.ENDED:
            return
        self.state = WorkerState.ENDED
        self.gone = reason
        if self._at_hub:  # or it would go on to give this client events
            self._around.spawn(self._unwork([]))
        self._stop_timer()
        self._settlements.stop()
        for delivery in list(self._held.values()):
            self._let_go(delivery)
        self._queue.clear()
        for lanes in (self._lanes, *self._old_lanes):
            lanes.close()
        self._ended(self)

    def _stop_timer(self) -> None:
        if self._retry:
            self._retry.cancel()
            self._retry = None

    def __repr__(self) -> str:
        gone = f": {self.gone}" if self.gone else ""
        return f"<RoomWorker of group {self.group!r} in {self._around.room!r}: {self.state.value}{gone}>"
