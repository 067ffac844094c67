"""The worker groups of a room, as a user sees and steers them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_rtmsg.advice import GROUP, no_such_name
from jupyter_rtmsg.client.blocking import blocking
from jupyter_rtmsg.client.bridge import Bridge
from jupyter_rtmsg.errors import NotJoined

from .commands import Commands
from .dead_letters import AsyncDeadLetterTable, DeadLetterTable, read_dead_letters
from .table import Table, TableList

T = TypeVar("T")
_FRESH = 0.2  # seconds for which a `WorkerGroup` does not ask again


@dataclass(frozen=True, slots=True)
class GroupWorker:
    """A member that works for a group.

    Attributes
    ----------
    name, user, kind, member : str
        As of a `Member`.
    in_flight, max_in_flight : int
        How many events it has, and may have at once.
    """

    name: str
    user: str
    kind: str
    member: str
    in_flight: int
    max_in_flight: int

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> GroupWorker:
        """Make one from its fields on the wire."""
        name, user, kind, member = (str(fields.get(key) or "") for key in ("name", "user", "kind", "member"))
        flying, most = (int(fields.get(key) or 0) for key in ("in_flight", "max_in_flight"))
        return cls(name or user, user, kind, member, flying, most)


@dataclass(frozen=True, slots=True)
class GroupState:
    """The state of a group at one time.

    Attributes
    ----------
    name : str
    event, key : str or None
        Which events it handles, and the field by which they are put in order.
    tries : int
        How often a handler may raise before the event is a dead letter.
    ack_wait : float or None
    made : datetime
    maker : str
        The user who made it.
    paused : bool
    lag : int
        Events that are not settled: neither handled, nor dead letters, nor trimmed.
    in_flight, delayed : int
        Those of them that workers have now, and those that wait for their next try.
    dead, discarded : int
        Dead letters, and those that were discarded.
    done, trimmed : int
        Events that were handled, and those that were trimmed before anybody handled them.
    last_error : str or None
    workers : tuple of GroupWorker
        At most 100.
    worker_count : int
    """

    name: str
    event: str | None
    key: str | None
    tries: int
    ack_wait: float | None
    made: datetime
    maker: str
    paused: bool
    lag: int
    in_flight: int
    delayed: int
    dead: int
    discarded: int
    done: int
    trimmed: int
    last_error: str | None
    workers: tuple[GroupWorker, ...]
    worker_count: int

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> GroupState:
        """Make one from its fields on the wire."""
        numbers = {
            key: int(fields.get(key) or 0)
            for key in ("tries", "lag", "in_flight", "delayed", "dead", "discarded", "done", "trimmed")
        }
        workers = tuple(map(GroupWorker.of, fields.get("workers", ())))
        return cls(
            name=str(fields.get("group")),
            event=fields.get("event"),
            key=fields.get("key"),
            ack_wait=fields.get("ack_wait"),
            made=datetime.fromtimestamp((fields.get("made") or 0) / 1000, timezone.utc),
            maker=str(fields.get("maker") or ""),
            paused=bool(fields.get("paused")),
            last_error=fields.get("last_error"),
            workers=workers,
            worker_count=int(fields.get("count") or len(workers)),
            **numbers,
        )

    @property
    def pending(self) -> int:
        """Events that were given to workers and are not settled: they are with a worker, or wait for their next try."""
        return self.in_flight + self.delayed

    @property
    def waiting(self) -> int:
        """Events that were not given to a worker yet."""
        return max(0, self.lag - self.pending)

    @property
    def state(self) -> str:
        """``"paused"``, ``"at work"``, ``"no worker"`` or ``"idle"``."""
        if self.paused:
            return "paused"
        if not self.worker_count:
            return "no worker" if self.lag else "idle"
        return "at work" if self.lag else "idle"


_TABLE: Table[GroupState] = Table(
    ("group", "state", "event", "key", "waiting", "in flight", "delayed", "dead", "done", "workers", "last error"),
    lambda each: (
        each.name, each.state, each.event or "*", each.key, each.waiting, each.in_flight, each.delayed, each.dead,
        each.done, each.worker_count, each.last_error,
    ),
    fields=(
        "name", "state", "event", "key", "tries", "ack_wait", "lag", "in_flight", "delayed", "pending", "dead",
        "discarded", "done", "trimmed", "worker_count", "last_error", "maker", "made",
    ),
    times=("made",),
    empty="No groups.",
)  # fmt: skip


class Groups(TableList[GroupState]):
    """A list of `GroupState`, by name."""

    _table = _TABLE


_WORKERS: Table[GroupWorker] = Table(
    ("name", "user", "kind", "in flight", "at most"),
    lambda each: (each.name, each.user, each.kind, each.in_flight, each.max_in_flight),
    fields=("name", "user", "kind", "member", "in_flight", "max_in_flight"),
    empty="No workers.",
)


class GroupWorkers(TableList[GroupWorker]):
    """A list of `GroupWorker`: at most 100 of a group."""

    _table = _WORKERS


async def read_groups(commands: Commands, room: str) -> Groups:
    """Ask the hub for all groups of a room."""
    groups = Groups()
    request: dict[str, Any] = {"room": room}
    while True:
        reply = await commands.ask_patiently("groups", request)
        groups += map(GroupState.of, reply["groups"])
        if not reply.get("more") or not reply["groups"]:
            return groups
        request = {"room": room, "after": reply.get("through") or reply["groups"][-1]["group"]}


class AsyncWorkerGroup:
    """A worker group: its state at the last `refresh`, and what may be done with it. `AsyncRoom.group` makes one.

    Pausing, resuming and deleting need the right ``manage``, or being one of the group's workers.

    Attributes
    ----------
    info : GroupState
        The state at the last `refresh`.
    """

    def __init__(self, commands: Commands, room: str, info: GroupState) -> None:
        self.info = info
        self._commands = commands
        self._address = {"room": room, "group": info.name}

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, GROUP, awaited=True)

    def __repr__(self) -> str:
        return _group_text(self.info)

    def _repr_html_(self) -> str:
        return _TABLE.html([self.info])

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.info.name

    @property
    def lag(self) -> int:
        """Events that are not settled."""
        return self.info.lag

    @property
    def pending(self) -> int:
        """Events that were given to workers, and are not settled."""
        return self.info.pending

    @property
    def workers(self) -> GroupWorkers:
        """The members that work for the group; at most 100."""
        return GroupWorkers(self.info.workers)

    @property
    def paused(self) -> bool:
        """Whether no events are given to workers."""
        return self.info.paused

    async def refresh(self) -> GroupState:
        """Ask the hub for the present state, and return it.

        Raises
        ------
        NotJoined
            If the group was deleted.
        """
        self.info = await read_group(self._commands, **self._address)
        return self.info

    async def pause(self) -> None:
        """Give no more events to workers, until `resume`. What they have they finish."""
        await self._commands.ask("pause_group", self._address)
        await self.refresh()

    async def resume(self) -> None:
        """Give events to workers again."""
        await self._commands.ask("resume_group", self._address)
        await self.refresh()

    async def delete(self) -> dict[str, int]:
        """Delete the group, with its dead letters, and its place in the room's log. Its workers end.

        Returns
        -------
        dict
            The numbers of ``pending`` events and of ``dead`` letters that it had.
        """
        reply = await self._commands.ask("delete_group", self._address)
        return dict(reply.get("deleted") or {})

    async def dead_letters(self) -> AsyncDeadLetterTable:
        """Return the events that could not be handled, the oldest first."""
        return await read_dead_letters(self._commands, **self._address)


async def read_group(commands: Commands, room: str, group: str) -> GroupState:
    """Ask the hub for a group; raise `NotJoined` if there is none."""
    reply = await commands.ask_patiently("groups", {"room": room, "group": group})
    for fields in reply["groups"]:
        return GroupState.of(fields)
    raise NotJoined(f"room {room!r} has no group {group!r}. room.groups() lists them; its first worker makes a group")


class WorkerGroup:
    """A worker group, and what may be done with it. `Room.group` makes one.

    ``lag``, ``pending``, ``workers`` and ``paused`` are asked of the hub, at most five times a second. Pausing,
    resuming and deleting need the right ``manage``, or being one of the group's workers.
    """

    def __init__(self, group: AsyncWorkerGroup, bridge: Bridge) -> None:
        self._async = group
        self._bridge = bridge
        self._asked = time.monotonic()

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, GROUP)

    def __repr__(self) -> str:
        return _group_text(self._async.info)

    def _repr_html_(self) -> str:
        return self._async._repr_html_()

    @property
    def info(self) -> GroupState:
        """The present state."""
        if time.monotonic() - self._asked > _FRESH:
            self.refresh()
        return self._async.info

    @property
    def name(self) -> str:
        """The name of the group."""
        return self._async.name

    @property
    def lag(self) -> int:
        """Events that are not settled."""
        return self.info.lag

    @property
    def pending(self) -> int:
        """Events that were given to workers, and are not settled."""
        return self.info.pending

    @property
    def workers(self) -> GroupWorkers:
        """The members that work for the group; at most 100."""
        return GroupWorkers(self.info.workers)

    @property
    def paused(self) -> bool:
        """Whether no events are given to workers."""
        return self.info.paused

    def refresh(self) -> GroupState:
        """Ask the hub for the present state, and return it.

        Raises
        ------
        NotJoined
            If the group was deleted.
        """
        info = self._bridge.ask(self._async.refresh())
        self._asked = time.monotonic()
        return info

    pause = blocking(AsyncWorkerGroup.pause, "WorkerGroup")
    resume = blocking(AsyncWorkerGroup.resume, "WorkerGroup")
    delete = blocking(AsyncWorkerGroup.delete, "WorkerGroup")

    def dead_letters(self) -> DeadLetterTable:
        """Return the events that could not be handled, the oldest first."""
        return DeadLetterTable(self._bridge.ask(self._async.dead_letters()), self._bridge)


def _group_text(info: GroupState) -> str:
    dead = f", {info.dead} dead letters" if info.dead else ""
    events = f"{info.waiting} waiting, {info.in_flight} in flight, {info.delayed} delayed, {info.done} done{dead}"
    return f"<WorkerGroup {info.name!r}: {info.state}, {events}, {info.worker_count} workers>"
