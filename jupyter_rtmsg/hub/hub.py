"""The hub: rooms with a memory, on a Socket.IO server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from jupyter_rtmsg.log import EventLog
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.server import Server, Socket
from jupyter_rtmsg.wire.parser import JSON
from jupyter_rtmsg.wire.socketio import Encoded, encode_event

from .application import Access, Activity, FindKernel, Permits, Prove, anybody
from .core import HubCore
from .data import LARGE, decode
from .dispatch import CommandRouter
from .follow import LogAnnouncer
from .limits import Limits
from .recovery import LogRecovery
from .room import Participant

logger = throttled_logger(__name__)

SWEEP_INTERVAL = 3_600.0
"""Seconds between two searches for subscriptions that have expired."""


class Hub:
    """Rooms with a memory. Takes the namespace ``/`` of a server.

    `start` follows the log and accepts clients, `close` stops both. The server and the log belong to the caller, which
    closes them after the hub.

    Parameters
    ----------
    server : Server
        With the default parser.
    log : EventLog
        Opened by the caller.
    access : Access, optional
        Rights. By default everybody may read and write.
    activity : Activity, optional
        Is told of publishes and acknowledgements.
    prove : callable, optional
        ``await prove(claim)`` returns the `ProvenKernel` that a client runs in, or None.
    find_kernel : callable, optional
        ``await find_kernel(kernel_id)`` returns a kernel that has proved itself, with the notebook that it runs now.
    owner : callable, optional
        Returns the principal who owns the server, or None. The owner may make any number of rooms.
    former_names : callable, optional
        Returns earlier names of a principal, which inherits their subscriptions: names that version 0.1.0 used, or that
        the server used while it distinguished users in another way.
    limits : Limits, optional
    base : str, optional
        The URL path of the server, which ``hello`` tells to clients.
    version : str, optional
        The version of the package, which ``hello`` tells to clients.
    clock : callable, optional
        Monotonic seconds.

    Attributes
    ----------
    core : HubCore
        Rooms, participants and subscriptions.
    recovery : LogRecovery or None
        Connection state recovery; None if ``limits.recovery`` is 0, and before `start`.

    Raises
    ------
    ValueError
        If the server has another parser.

    Examples
    --------
    >>> hub = Hub(Server(), await open_log("memory:"))
    >>> await hub.start()
    """

    def __init__(
        self,
        server: Server,
        log: EventLog,
        *,
        access: Access | None = None,
        activity: Activity | None = None,
        prove: Prove | None = None,
        find_kernel: FindKernel | None = None,
        owner: Callable[[], str | None] = lambda: None,
        former_names: Callable[[str], Iterable[str]] = lambda principal: (),
        limits: Limits | None = None,
        base: str = "/",
        version: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if server.parser is not JSON:
            raise ValueError(
                f"a Hub needs a Server with the default parser, not {server.parser.name!r}: the log stores JSON, and "
                "the hub sends it to members unchanged"
            )
        self.core = HubCore(
            log, limits or Limits(), clock, self._deliver, self._reset,
            access=access, activity=activity, prove=prove, find_kernel=find_kernel, owner=owner,
            former_names=former_names, base=base, version=version,
        )  # fmt: skip
        self.recovery: LogRecovery | None = None
        self._log = log
        self._namespace = server.of("/")
        self._announcer = LogAnnouncer(log, self._namespace.emit)
        self._tasks: list[asyncio.Task[None]] = []
        self._sweep_at = clock()  # the first sweep comes soon: much may have expired while the hub was not running

    async def start(self) -> None:
        """Follow the log and accept clients.

        Middlewares that set ``socket.user`` must have been added before: the hub's own middleware uses it.
        """
        core, namespace = self.core, self._namespace
        await core.rooms.refresh(self._log)
        await core.wills.load()
        await core.groups.load()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(core.follower.run()), loop.create_task(self._maintain())]
        namespace.use(core.participants.admit)
        namespace.on("connection", core.participants.add)
        namespace.on_departure(core.participants.remove)
        if core.limits.recovery:
            self.recovery = LogRecovery(core, namespace, core.limits.recovery)
            await self.recovery.load()
            namespace.recovery = self.recovery
            namespace.on("connection", self._recover)
        namespace.route(CommandRouter(core).route)
        namespace.decode_large(partial(decode, max_depth=core.limits.depth), LARGE)

    async def close(self, reason: str = "server shutting down") -> None:
        """Refuse further commands and stop following the log. Close the server, and then the log, after this."""
        core = self.core
        core.participants.close()
        if self.recovery:
            self.recovery.close()
        logger.debug("the hub stops: %s", reason)
        core.presence.close()
        core.groups.close()
        core.wills.close()
        core.staging.close()
        core.rooms.watchers.close()
        for participant in core.participants:
            for membership in participant.memberships.values():
                membership.stop()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # --- for the operator

    def status(self) -> dict[str, Any]:
        """Return the state of the hub for an operator, as a JSON object."""
        core, log = self.core, self._log
        return {
            "epoch": log.epoch,
            "head": log.head,
            "rooms": len(core.rooms.active),
            "connections": len(core.participants),
            "members": sum(len(room.presence) for room in core.rooms.active.values()),
            "log": {
                "url": log.url,
                "durable": log.durable,
                "warning": log.warning,
                "failing": log.failing and log.failing._asdict(),
            },
        }

    def principals(self) -> set[str]:
        """Return the principals that are connected."""
        return self.core.participants.principals()

    # --- for the application

    def rename(self, old: str, new: str, label: str, *, was: str | None = None, permits: Permits = anybody) -> None:
        """Follow a notebook that was renamed, or all notebooks in a directory that was.

        Its subscriptions go along, and its kernels are told by ``$renamed``.

        Parameters
        ----------
        old, new : str
            Real paths.
        label : str
            The new path relative to the server's root.
        was : str, optional
            If given, only notebooks whose path relative to the root began with this: a link was renamed, and its
            target still exists.
        permits : callable, optional
            Tells for each principal whether its subscriptions and kernels follow.
        """
        self.core.subscriptions.move_path(old, new, label, was=was, permits=permits)
        for participant, rest in self.core.participants.beneath(old, permits):
            if was is None or participant.identity.notebook == was + rest:
                self._rename(participant, new + rest, label + rest)

    def delete(self, path: str, *, permits: Permits = anybody) -> None:
        """End the subscriptions of a deleted notebook, or of all notebooks in a deleted directory; see `rename`."""
        self.core.subscriptions.end_path(path, permits)

    def recheck(self, principal: str | None = None) -> None:
        """Remove members that may not read their room any more: those of one principal, or all."""
        self.core.recheck(principal)

    def _rename(self, participant: Participant, path: str, notebook: str) -> None:
        old = participant.identity.notebook
        self.core.describe(participant, participant.identity.renamed(path, notebook))
        participant.rooms_changed()
        if old != notebook:
            participant.socket.emit("$renamed", {"notebook": notebook, "old": old})

    # --- called by the namespace and the follower

    def _recover(self, socket: Socket) -> None:
        """Connect a new participant with the recovery, and bring it back to its rooms if it was recovered."""
        assert self.recovery
        participant = self.core.participants.get(socket.id)
        if participant is None:
            return  # it exceeded the connection limit, and was closed at once
        participant.keep_state(self.recovery)
        if socket.recovered:
            self.recovery.bring_back(participant)
        elif socket.auth.get("offset") is not None:
            participant.require_mark()  # the offset that it would show is one of an earlier connection

    def _deliver(self, batch: Sequence[tuple[str, Encoded]]) -> None:
        """Write events of the log to the members of their rooms; before that, announce a change of the log."""
        self._announcer.announce_change()
        if not batch:  # nobody is in the rooms of these events
            return
        if self.recovery:
            self.recovery.deliver(batch)
        else:
            self._namespace.deliver(batch)

    def _reset(self, reason: str) -> None:
        """Begin again with another log: catch-ups from the old one stop, and all members get ``$reset``."""
        core, log = self.core, self._log
        core.subscriptions.reload()
        core.groups.reset()
        core.wills.save_again()
        batch: list[tuple[str, Encoded]] = []
        for room in core.rooms.active.values():
            room.reset(core.new_ring())
            notice = {"room": room.name, "epoch": log.epoch, "opening": log.opening, "reason": reason}
            batch.append((room.channel, encode_event(["$reset", notice])))
        self._announcer.announce()
        self._namespace.deliver(batch)
        if self.recovery:
            self.recovery.reset()
        core.rooms.watchers.changed()

    # --- periodic work

    async def _maintain(self) -> None:
        """Recheck rights, refresh the list of rooms, and end expired subscriptions from time to time."""
        while True:
            await asyncio.sleep(self.core.limits.recheck)
            try:
                self.recheck()
                await self.core.rooms.refresh(self._log)
                self._sweep()
            except Exception:
                logger.exception("the periodic maintenance failed; it will be tried again")

    def _sweep(self) -> None:
        """End expired subscriptions. It is enough to do so seldom: a search for one checks its age as well."""
        clock = self.core.clock
        if clock() >= self._sweep_at:
            self._sweep_at = clock() + SWEEP_INTERVAL
            self.core.subscriptions.sweep()
