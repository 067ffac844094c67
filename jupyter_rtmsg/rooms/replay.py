"""Stored events handed to the handlers of a room again, at the pace at which they were emitted."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from jupyter_rtmsg.advice import short
from jupyter_rtmsg.errors import WrongCall
from jupyter_rtmsg.event import Event

from .commands import Commands
from .decoding import Era
from .history import PAGE, milliseconds, stored_event
from .membership import Membership
from .parts import PartsReader

AT_ONCE = 50
"""Events that are handed on together at speed 0. `Replay.stop` and `Replay.pause` take effect after them."""
_LATE = 0.02  # seconds that the loop may wake too late without a shift of all later events
_EARLIEST = 86_400 * 1_000  # ms: an `until` before 1970-01-02 is a seq by mistake

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What a replay hands on, and how fast.

    Attributes
    ----------
    events : sequence of Event or None
        The events; None if they are read from the log.
    start : dict
        ``after`` or ``since``, as the command ``history`` takes it.
    until : int or None
        Ms since 1970; later events end the replay.
    speed : float
        1.0 is the original pace, 2.0 twice as fast, 0 without pauses.
    max_gap : float or None
        The longest pause in seconds, as it is waited.
    event : str or None
        Only events of this name.
    """

    events: Sequence[Event] | None
    start: dict[str, int]
    until: int | None
    speed: float
    max_gap: float | None
    event: str | None

    @classmethod
    def of(
        cls,
        *,
        events: Sequence[Event] | None,
        after: int | None,
        since: float | datetime | None,
        until: float | datetime | None,
        speed: float,
        max_gap: float | None,
        event: str | None,
    ) -> ReplayOptions:
        """Check the arguments of `Room.replay`.

        Raises
        ------
        WrongCall
        """
        given = {"after": after, "since": milliseconds(since), "events": events}
        named = [name for name, value in given.items() if value is not None]
        if len(named) != 1:
            like = "lab.replay(after=0), lab.replay(since=...) or lab.replay(events=lab.missed())"
            raise WrongCall(f"a replay has one start, not {' and '.join(named) or 'none'}. Write {like}")
        if after is not None and (type(after) is not int or after < 0):
            raise WrongCall(f"after= is a seq: 0 for all events, or event.seq; not {short(after)}")
        if event is not None and not isinstance(event, str):
            raise WrongCall(f"event= is the name of the events, a str; not {short(event)}")
        if not isinstance(speed, (int, float)) or not 0 <= speed < float("inf"):
            raise WrongCall(f"speed= is a factor: 1.0 as it was, 2.0 twice as fast, 0 at once; not {short(speed)}")
        if max_gap is not None and not (isinstance(max_gap, (int, float)) and max_gap >= 0):
            raise WrongCall(f"max_gap= is the longest pause in seconds, or None for no limit; not {short(max_gap)}")
        end = milliseconds(until)
        if end is not None and end < _EARLIEST:
            raise WrongCall(
                f"until= is a time, in seconds since 1970 or a datetime, not {short(until)}. "
                "To end at a seq, write lab.replay(events=lab.history(after=..., before=...))"
            )
        start = {name: value for name, value in given.items() if name != "events" and value is not None}
        return cls(events, start, end, float(speed), max_gap, event)  # type: ignore[arg-type]

    def pause_between(self, earlier: Event | None, later: Event) -> float:
        """Return the seconds to wait between two events."""
        if earlier is None or not self.speed:
            return 0.0
        seconds = max(later.ts - earlier.ts, 0) / 1000 / self.speed  # a clock that was set back makes no gap
        return seconds if self.max_gap is None else min(seconds, self.max_gap)

    def has(self, event: Event) -> bool:
        """Whether an event belongs to the replay."""
        return self.event in (None, "*", event.name) and (self.until is None or event.ts <= self.until)


class Replay:
    """A replay: it goes on by itself, and can be paused, resumed and stopped. `Room.replay` makes one.

    All methods may be called from any thread, except that `result` would wait for ever in a handler of the same room.

    Attributes
    ----------
    progress : ReplayProgress
        How far it is.
    """

    # The task `_run` reads, waits and hands on; it owns `handled` and `total`. `pause`, `resume` and `stop` set
    # `_paused` and `_stopped` on the loop, and wake it by `_changed`. The room's end cancels the task.

    def __init__(self, options: ReplayOptions, membership: Membership, commands: Commands) -> None:
        self.progress = ReplayProgress(membership.room)
        self._options = options
        self._membership = membership
        self._commands = commands
        self._parts = PartsReader.of(membership.room, commands)
        self._outcome: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._changed = asyncio.Event()
        self._paused = self._stopped = self._asked = False

    def __repr__(self) -> str:
        return f"<Replay in {self._membership.room!r}: {self.state}, {self.progress}>"

    @property
    def state(self) -> str:
        """``"running"``, ``"paused"``, ``"done"``, ``"stopped"`` or ``"failed"``."""
        if self._outcome.done():
            return "failed" if self._outcome.exception() else "stopped" if self._stopped else "done"
        return "paused" if self._paused else "running"

    def start(self) -> Replay:
        """Begin. Thread-safe."""
        self._membership.check()
        self._membership.call_soon(self._begin)
        return self

    def _begin(self) -> None:
        self._membership.spawn(self._run())

    def pause(self) -> None:
        """Hand on no further event until `resume`. The rest of the present pause is kept."""
        self._membership.call_soon(lambda: self._set(paused=True))

    def resume(self) -> None:
        """Go on after `pause`."""
        self._membership.call_soon(lambda: self._set(paused=False))

    def stop(self) -> None:
        """End. The event that is being handled is the last one."""
        self._membership.call_soon(lambda: self._set(stopped=True))

    def result(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the number of events that were handed on and handled.

        Raises
        ------
        TimeoutError
            If it goes on for longer than ``timeout`` seconds.
        RtmsgError
            If the log cannot be read any more.
        RuntimeError
            In a handler of the room, which the replay waits for.
        """
        self._ask()
        try:
            return self._outcome.result(timeout)
        except concurrent.futures.TimeoutError:
            raise TimeoutError(f"the replay goes on after {timeout:g} s: {self.progress}") from None

    def __await__(self) -> Generator[Any, None, int]:
        self._ask()
        return asyncio.wrap_future(self._outcome).__await__()

    def _ask(self) -> None:
        if self._membership.executor.inside():
            raise RuntimeError("a handler cannot wait for a replay in its own room, which waits for the handler")
        self._asked = True

    def _set(self, *, paused: bool | None = None, stopped: bool = False) -> None:
        self._paused = self._paused if paused is None else paused
        self._stopped = self._stopped or stopped
        self._changed.set()

    # --- the task

    async def _run(self) -> None:
        try:
            async with contextlib.aclosing(self._events()) as events:
                await self._hand_on(events)
        except asyncio.CancelledError:  # the room was left
            self._stopped = True
            raise
        except Exception as error:  # noqa: BLE001 - the one who waits gets it
            self._fail(error)
        finally:
            self.progress.end()
            if not self._outcome.done():
                self._outcome.set_result(self.progress.done)

    async def _hand_on(self, events: AsyncIterator[Event]) -> None:
        options, due = self._options, asyncio.get_running_loop().time()
        last: Event | None = None
        batch: list[Event] = []
        async for event in events:
            # From one due time to the next, so that the delays of the loop do not add up.
            due = await self._wait(due + options.pause_between(last, event))
            if self._stopped:
                return
            last = event
            batch.append(replace(event, replay=True, delivery=None))
            if options.speed or len(batch) == AT_ONCE:
                await self._handle(batch)
                batch = []
        if batch:
            await self._handle(batch)

    async def _handle(self, events: Sequence[Event]) -> None:
        await asyncio.wrap_future(self._membership.replay(events))
        self.progress.add(len(events))

    async def _wait(self, due: float) -> float:
        """Wait until a time of the loop, and while paused; return the time from which the next pause counts."""
        loop = asyncio.get_running_loop()
        while not self._stopped:
            left, paused = due - loop.time(), self._paused
            if left <= 0 and not paused:
                # A handler that took longer than the pause delays what follows: nothing is caught up in a burst.
                return due if left > -_LATE else loop.time()
            self._changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), None if paused else left)
            if paused:
                due = loop.time() + max(left, 0)
        return due

    async def _events(self) -> AsyncGenerator[Event, None]:
        options = self._options
        if options.events is not None:
            chosen = [event for event in options.events if options.has(event)]
            self.progress.expect(len(chosen))
            for event in chosen:
                yield event
            return
        request: dict[str, Any] = {"room": self._membership.room, "limit": PAGE, **options.start}
        if options.event not in (None, "*"):
            request["event"] = options.event
        async with contextlib.aclosing(self._pages(request)) as pages:
            async for page in pages:
                for fields in page["events"]:
                    fields = await self._parts.whole(fields, Era.of(page), patient=True)
                    event = stored_event(self._membership.room, fields)
                    if options.until is not None and event.ts > options.until:
                        return
                    yield event

    async def _pages(self, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the pages of the log. The next one is read meanwhile, so that no event comes later for that."""
        ask, loop = self._commands.ask_patiently, asyncio.get_running_loop()
        page = await ask("history", request)
        await self._count(page)
        # The end is the newest event of now: the replay does not follow live ones.
        request["before"] = page["head"] + 1
        request.pop("since", None)
        while page["more"]:
            request = {**request, "after": page["through"], **Era.of(page).fields}
            following = loop.create_task(ask("history", request))
            try:
                yield page
                page = await following
            finally:
                following.cancel()
                following.add_done_callback(lambda task: task.cancelled() or task.exception())
        yield page

    async def _count(self, reply: dict[str, Any]) -> None:
        """Find out how many events there are, if the hub can tell."""
        if reply["events"] and self._options.until is None:
            after = {"after": reply["events"][0]["seq"] - 1, **Era.of(reply).fields}
            lag = await self._commands.ask_patiently("lag", {"room": self._membership.room, **after})
            name = self._options.event
            self.progress.expect(lag["missed"] if name in (None, "*") else lag["by_event"].get(name))

    def _fail(self, error: Exception) -> None:
        self._outcome.set_exception(error)
        if not self._asked:
            logger.warning("room %r: a replay ended after %s: %s", self._membership.room, self.progress, error)


class ReplayProgress:
    """How far a replay is. In a notebook it is shown as a bar, if tqdm is installed.

    Attributes
    ----------
    done : int
        Events that were handled.
    total : int or None
        Events in all; None if it is not known.
    """

    def __init__(self, room: str) -> None:
        self.done = 0
        self.total: int | None = None
        self._room = room
        self._bars: list[Any] = []

    def __repr__(self) -> str:
        return f"{self.done:,} events" if self.total is None else f"{self.done:,} of {self.total:,} events"

    def _ipython_display_(self) -> None:
        with contextlib.suppress(ImportError):
            self.bar()
            return
        print(self)  # noqa: T201 - what a notebook shows

    def bar(self, **options: Any) -> Any:
        """Return a new bar of tqdm that follows the replay; ``options`` are those of tqdm.

        Raises
        ------
        ImportError
            If tqdm is not installed.
        """
        tqdm = importlib.import_module("tqdm.auto").tqdm
        bar = tqdm(**{"total": self.total, "initial": self.done, "unit": " events", "desc": self._room, **options})
        self._bars.append(bar)
        return bar

    # --- called by the replay

    def expect(self, total: int | None) -> None:
        """Learn how many events there are."""
        self.total = total

    def add(self, number: int) -> None:
        """Count handled events."""
        self.done += number
        self._show(lambda bar: bar.update(self.done - bar.n))

    def end(self) -> None:
        """Close the bars."""
        self._show(lambda bar: bar.close())

    def _show(self, show: Callable[[Any], object]) -> None:
        for bar in tuple(self._bars):
            try:
                show(bar)
            except Exception as error:  # noqa: BLE001 - a bar that fails must not end the replay
                self._bars.remove(bar)
                logger.warning(
                    "the bar of a replay in room %r failed and is not updated any more: %s", self._room, error
                )


class Replays:
    """Starts replays in a room, which owns this. Thread-safe.

    Parameters
    ----------
    membership : Membership
    commands : Commands
    """

    def __init__(self, membership: Membership, commands: Commands) -> None:
        self._membership = membership
        self._commands = commands

    def start(self, events: Sequence[Event] | None, **options: Any) -> Replay:
        """Start a replay with the arguments of `Room.replay`."""
        return Replay(ReplayOptions.of(events=events, **options), self._membership, self._commands).start()

    def at_once(self, again: Sequence[Event], events: object, **options: Any) -> concurrent.futures.Future[int]:
        """Hand events on without pauses; the future's result is their number. No options go with that."""
        if not isinstance(again, Sequence) or isinstance(again, str):
            raise WrongCall(f"a replay is of events, not of {short(again)}. Write lab.replay(lab.history(last=10))")
        given = {name: value for name, value in {"events": events, **options}.items() if value != DEFAULTS[name]}
        if given:
            like = ", ".join(f"{name}={short(value)}" for name, value in given.items() if name != "events")
            raise WrongCall(f"events that are replayed with options are named. Write lab.replay(events=..., {like})")
        return self._membership.replay([replace(event, replay=True, delivery=None) for event in again])


DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(("events", "after", "since", "until", "event")), "speed": 1.0, "max_gap": 2.0
}  # fmt: skip
"""The default values of the options of `Room.replay`."""
