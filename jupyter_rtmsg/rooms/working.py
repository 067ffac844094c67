"""What a user does with the worker groups of a room: work, look, and steer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from jupyter_rtmsg.client.handlers import Handler

from .commands import Commands
from .dead_letters import AsyncDeadLetterTable, read_dead_letters
from .failures import Failures
from .groups import AsyncWorkerGroup, Groups, read_group, read_groups
from .membership import Membership
from .misuse import awaited, check_handler
from .work import Start, WorkSettings, check_group

F = TypeVar("F", bound=Callable[..., Any])


class Working:
    """The worker groups of a room, for its user. The room owns it.

    Parameters
    ----------
    membership : Membership
    commands : Commands
    """

    def __init__(self, membership: Membership, commands: Commands) -> None:
        self._membership = membership
        self._commands = commands

    def register(
        self, function: Callable[..., Any], group: str, max_in_flight: int | None, output: object, **settings: Any
    ) -> tuple[Handler, WorkSettings]:
        """Register a worker; `start` must follow. Called in the cell of the function, on its thread."""
        check_handler(function)
        wanted = WorkSettings.checked(group, function, max_in_flight, **settings)
        self._membership.check()
        return self._membership.workers.add(function, wanted, output), wanted

    async def start(self, handler: Handler, settings: WorkSettings) -> int:
        """Begin to work, and return how many dead letters wait."""
        self._membership.check()
        return await self._membership.workers.start(handler, settings)

    def worker(
        self,
        group: str,
        *,
        event: str | None = None,
        key: str | None = None,
        max_in_flight: int | None = None,
        tries: int = 5,
        ack_wait: float | None = None,
        start: Start = "first",
        output: object = None,
    ) -> Callable[[F], F]:
        """Register a worker: a function that shares the events of the room with the other workers of its group.

        Each event is handled by one worker. If the function returns, the event is done. If it raises, the event comes
        again, after 1, 2, 4 ... 60 seconds, to any worker of the group; after ``tries`` failures it is a dead letter.
        ``event.retry(after=30)``, ``event.reject("why")`` and ``event.working()`` say more. See docs/queues.md.

        Parameters
        ----------
        group : str
            The name of the group. Its first worker makes it; the settings of the others must agree.
        event : str, optional
            The name of the events, or a pattern with ``*`` and ``?``. By default all events.
        key : str, optional
            A field of the data (``"user"``, ``"user.id"``), or ``"@sender"``: events with the same key are handled one
            after the other, in order.
        max_in_flight : int, optional
            How many events this client may have at once: by default 1 for a function, and 8 for an async one. A
            function then runs on up to this number of threads.
        tries : int
            How often the function may raise for an event.
        ack_wait : float, optional
            Seconds after which an event whose function has not ended is given to another worker. By default there is
            no such limit: an event comes again when its worker was lost.
        start : str, int, datetime or Event
            Where a new group begins: with the ``"first"`` event of the room, with ``"new"`` ones, after an event or a
            seq, or since a time.
        output : ipywidgets.Output or IPython.display.DisplayHandle, optional
            Shows what the function prints and displays, instead of the cell: see docs/client.md, Output.

        Raises
        ------
        GroupConflict
            If the group has other settings, and other workers.
        Forbidden
            If this user may not write in the room.
        """
        check_group(group)
        settings = {"event": event, "key": key, "tries": tries, "ack_wait": ack_wait, "start": start}

        def register(function: F) -> F:
            self._commands.check_loop()
            self._membership.workers.start_soon(*self.register(function, group, max_in_flight, output, **settings))
            return function

        return register

    def failures(self) -> Failures:
        """Return what the listeners and workers of this room object raised: the last 100, the newest last."""
        return self._membership.failures.all()

    @awaited
    async def groups(self) -> Groups:
        """Return the worker groups of the room, with their state."""
        return await read_groups(self._commands, self._membership.room)

    @awaited
    async def group(self, name: str) -> AsyncWorkerGroup:
        """Return a worker group of the room.

        Raises
        ------
        NotJoined
            If the room has no such group.
        """
        check_group(name)
        room = self._membership.room
        return AsyncWorkerGroup(self._commands, room, await read_group(self._commands, room, name))

    @awaited
    async def dead_letters(self, group: str) -> AsyncDeadLetterTable:
        """Return the events that a worker group could not handle, the oldest first.

        Parameters
        ----------
        group : str
            The name of the group.

        Raises
        ------
        NotJoined
            If the room has no such group.
        Forbidden
            If this user may not write in the room.
        """
        check_group(group)
        return await read_dead_letters(self._commands, self._membership.room, group)
