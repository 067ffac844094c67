"""The workers of a room on this client: one for each group."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_rtmsg.client.handlers import Handler, Handlers
from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.logthrottle import throttled_logger

from .work import Surroundings, WorkerState, WorkSettings
from .worker import RoomWorker

logger = throttled_logger(__name__)
_GOODBYE = 1.5  # seconds until the hub has confirmed the outcomes of the last events


class RoomWorkers:
    """The workers of a room. The membership owns it.

    A group has one function here: another one replaces it, in the midst of an event also, which ends with the old
    function. A cell that runs again replaces its workers together with its listeners (`jupyter_rtmsg.notebook`).

    `add`, `remove` and `inside` are thread-safe. All else runs on the I/O loop.

    Parameters
    ----------
    around : Surroundings
    beside : Handlers
        The listeners of the room.
    """

    def __init__(self, around: Surroundings, beside: Handlers) -> None:
        self._around = around
        self._handlers = Handlers(beside=beside)
        self._workers: dict[str, RoomWorker] = {}

    def __bool__(self) -> bool:
        return bool(self._workers)

    # --- registering. Thread-safe

    def add(self, function: Callable[..., Any], settings: WorkSettings, output: object = None) -> Handler:
        """Register the function of a group; `start` must follow on the I/O loop."""
        handler = Handler(function, settings.group, output=output, replaced=lambda: self._replaced(handler))
        self._handlers.add(handler)
        with self._handlers.lock:  # whatever the cell: a group has one function
            self._handlers.put(
                tuple(each for each in self._handlers.all if each is handler or each.event != settings.group)
            )
        return handler

    def remove(self, function: Callable[..., Any] | None = None) -> None:
        """Remove the workers that call a function, or all of them."""
        removed = [each for each in self._handlers.all if function in (None, each.function)]
        for handler in removed:
            self._handlers.discard(handler)
            self._replaced(handler)

    def _replaced(self, handler: Handler) -> None:
        self._around.call_soon(lambda: self._stop(handler))

    def _stop(self, handler: Handler) -> None:
        worker = self._workers.get(handler.event or "")
        follows = any(each.event == handler.event for each in self._handlers.all)  # `start` replaces it then
        if worker is not None and worker.handler is handler and not follows:
            self._around.spawn(worker.stop())

    def inside(self) -> bool:
        """Return whether the caller is a function of a worker."""
        return any(worker.inside() for worker in tuple(self._workers.values()))

    def close_inside(self) -> None:
        """If the caller is a function of a worker, let nobody wait for its end."""
        for worker in tuple(self._workers.values()):
            worker.close_inside()

    # --- on the loop

    async def start(self, handler: Handler, settings: WorkSettings) -> int:
        """Begin to work for a group, or go on with another function; return how many dead letters wait.

        Raises
        ------
        CommandError
            If the hub refuses; nothing is registered then.
        """
        worker = self._workers.get(settings.group)
        former = None if worker is None else (worker.handler, worker.settings)
        if worker is None:
            worker = RoomWorker(handler, settings, self._around, self._ended)
            self._workers[settings.group] = worker
        else:
            worker.replace(handler, settings)
        try:
            return await worker.start()
        except BaseException:
            self._refused(worker, handler, former)
            raise

    def _refused(self, worker: RoomWorker, handler: Handler, former: tuple[Handler, WorkSettings] | None) -> None:
        """Go back to the former function, whose settings the hub still has."""
        self._handlers.discard(handler)
        if former is None:
            worker.end("the hub refused it")
            return
        worker.replace(*former)
        with self._handlers.lock:
            self._handlers.put((*self._handlers.all, former[0]))

    def start_soon(self, handler: Handler, settings: WorkSettings) -> None:
        """Begin to work for a group; a refusal is shown in the cell of the function."""
        self._around.spawn(self._start(handler, settings))

    async def _start(self, handler: Handler, settings: WorkSettings) -> None:
        tell = handler.context.copy().run
        try:
            dead = await self.start(handler, settings)
        except RtmsgError as error:
            text = f"the worker of group {settings.group!r} did not start: {error}"
            logger.error("room %r: %s", self._around.room, text)
            tell(print, text, file=sys.stderr, flush=True)
        else:
            tell(show_dead, settings.group, dead)

    def _ended(self, worker: RoomWorker) -> None:
        if self._workers.get(worker.group) is worker:
            del self._workers[worker.group]
            self._handlers.discard(worker.handler)

    def take(self, args: list[Any], *, readable: bool = True) -> None:
        """Take a delivery. One for a worker that has just ended is with another one soon."""
        worker = self._workers.get(args[2].get("group", ""))
        if worker is not None and worker.state is not WorkerState.LEAVING:
            worker.take(args, readable=readable)

    def notice(self, data: Mapping[str, Any]) -> None:
        """Take a ``$group``."""
        worker = self._workers.get(str(data.get("group")))
        if worker is not None:
            worker.notice(data)

    def wake(self) -> None:
        """Have handlers called for what was taken."""
        for worker in self._workers.values():
            worker.wake()

    def resume(self) -> None:
        """Work again, after the room was joined again."""
        for worker in self._workers.values():
            self._around.spawn(worker.resume())

    def offline(self) -> None:
        """Learn that the connection is lost."""
        for worker in self._workers.values():
            worker.offline()

    # --- the end

    def drain(self) -> None:
        """Begin nothing more, and give back what was not begun."""
        for worker in self._workers.values():
            worker.drain()

    async def drained(self, timeout: float) -> bool:
        """Wait for the running handlers; return False if one still runs after ``timeout`` seconds."""
        return all(await asyncio.gather(*(worker.drained(timeout) for worker in self._workers.values())))

    async def leave(self, timeout: float) -> None:
        """Stop all workers: handlers have ``timeout`` seconds to end, and the hub learns how they ended."""
        await asyncio.gather(*(worker.leave(timeout, _GOODBYE) for worker in tuple(self._workers.values())))

    def end(self, reason: str) -> None:
        """End all workers at once."""
        for worker in tuple(self._workers.values()):
            worker.end(reason)


def show_dead(group: str, number: int) -> None:
    """Print that dead letters wait, in the cell that runs."""
    if number:
        what = "dead letter waits" if number == 1 else "dead letters wait"
        print(f'{number} {what}: room.dead_letters("{group}").redrive()', flush=True)  # noqa: T201 - the cell's output
