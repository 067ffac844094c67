"""The hub: rooms with a memory, on a Socket.IO server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from jupyter_rtmsg.errors import Forbidden, Shutdown
from jupyter_rtmsg.log.eventlog import EventLog
from jupyter_rtmsg.log.kept import Subscription
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.server import Server, Socket
from jupyter_rtmsg.wire.parser import JSON
from jupyter_rtmsg.wire.socketio import Encoded, encode_event

from . import payload
from .access import Access, Action, Open, Permits, anybody
from .activity import Activity, Unobserved
from .catchup import CatchUp
from .connection import Connection
from .connections import CLEAN, Connections
from .dispatch import Dispatcher
from .feed import PresenceFeed
from .follow import Follower
from .identity import Claim, Identity, Kernel
from .limits import Limits
from .log_state import LogState
from .recovery import LogRecovery
from .ring import Ring
from .room import Membership, Room
from .rooms import Rooms
from .start import Start, StartFinder
from .subscriptions import Subscriptions

logger = throttled_logger(__name__)

Prove = Callable[["Claim"], Awaitable["Kernel | None"]]
FindKernel = Callable[[str], Awaitable["Kernel"]]
KERNELS = "token:kernel"
"""The principal that kernels had in version 0.1.0."""
SWEEP_EVERY = 3_600.0  # seconds


class Hub:
    """Rooms with a memory. Takes the namespace ``/`` of a server.

    Parameters
    ----------
    server : Server
    log : EventLog
        Opened, and closed, by whoever made it.
    access : Access, optional
        Rights. Everybody may do everything by default.
    activity : Activity, optional
        Told of publishes and acknowledgements.
    limits : Limits, optional
    base : str, optional
        The path beneath which the server lives; clients learn it by the command ``hello``.
    version : str, optional
        Of the package; told likewise.
    clock : callable, optional
        Seconds; need not start anywhere.

    Attributes
    ----------
    prove : callable or None
        ``await prove(claim)`` returns the `Kernel` that a connection runs in, or None.
    find_kernel : callable or None
        ``await find_kernel(kernel_id)`` returns a kernel that has proved itself, with the notebook that it runs by now.
    owner : callable
        Returns the principal whose server it is, or None where it is nobody's own. It may make any number of rooms.
    former_names : callable
        Returns what a principal was called before, in version 0.1.0 or while the server told users apart otherwise: it
        inherits their subscriptions.

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
        limits: Limits | None = None,
        base: str = "/",
        version: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if server.parser is not JSON:
            raise ValueError(
                f"a Hub needs a Server with the default parser, not {server.parser.name!r}: the log keeps JSON, and "
                "hands it to members as it is"
            )
        self.limits = limits or Limits()
        self.log = log
        self.base, self.version = base, version
        self.clock = clock
        self.activity: Activity = activity or Unobserved()
        self.prove: Prove | None = None
        self.find_kernel: FindKernel | None = None
        self.owner: Callable[[], str | None] = lambda: None
        self.former_names: Callable[[str], Iterable[str]] = lambda principal: ()
        self.recovery: LogRecovery | None = None
        self.rooms = Rooms(self.limits, lambda: self.owner())
        self.connections = Connections(self.limits, clock, self._gone)
        self._access = access or Open()
        self._namespace = server.of("/")
        self._log_state = LogState(log, self._namespace.emit)
        self._tasks: list[asyncio.Task[None]] = []
        self._sweep_at = clock()  # soon: the hub may have been away for long

    async def start(self) -> None:
        """Follow the log and take clients.

        Middlewares that establish who a client is must be there already: the hub's own looks at their result.
        """
        self.loop = asyncio.get_running_loop()
        self.follower = Follower(self.log, self.rooms, self._deliver, self._reset)
        self.subscriptions = Subscriptions(self.log, self.limits)
        self.starts = StartFinder(self.log, self.follower, self.limits)
        self.feed = PresenceFeed(self.limits, self.settle)
        await self.rooms.refresh(self.log)
        self._tasks = [self.loop.create_task(self.follower.run()), self.loop.create_task(self._watch())]
        self._namespace.use(self.connections.admit)
        self._namespace.on("connection", self.connections.add)
        self._namespace.on_departure(self.connections.remove)
        if self.limits.recovery:
            self.recovery = LogRecovery(self, self._namespace, self.limits.recovery)
            await self.recovery.load()
            self._namespace.recovery = self.recovery
            self._namespace.on("connection", self._recoverable)
        self._namespace.route(Dispatcher(self).route)
        self._namespace.decode_large(partial(payload.decode, max_depth=self.limits.depth), payload.LARGE)

    async def close(self, reason: str = "server shutting down") -> None:
        """Take no more commands and stop following; the server tells the clients, its owner closes the log."""
        self.connections.close()
        if self.recovery:
            self.recovery.close()
        logger.debug("the hub stops: %s", reason)
        self.feed.close()
        self.rooms.watchers.close()
        for connection in self.connections:
            for membership in connection.memberships.values():
                membership.exit()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # --- for whoever runs it

    def status(self) -> dict[str, Any]:
        """Return what an operator wants to know, as JSON."""
        log = self.log
        return {
            "epoch": log.epoch,
            "head": log.head,
            "rooms": len(self.rooms.active),
            "connections": len(self.connections),
            "members": sum(len(room.presence) for room in self.rooms.active.values()),
            "log": {
                "url": log.url,
                "durable": log.durable,
                "warning": log.warning,
                "failing": log.failing and log.failing._asdict(),
            },
        }

    def principals(self) -> set[str]:
        """Return who is connected."""
        return self.connections.principals()

    # --- for whoever knows what happens to notebooks

    def rename(self, old: str, new: str, label: str, *, was: str | None = None, permits: Permits = anybody) -> None:
        """Follow a notebook, or a directory with all beneath it, with its subscriptions and whoever runs it.

        Parameters
        ----------
        old, new : str
            Real paths.
        label : str
            How people see the new one: relative to the server's root.
        was : str, optional
            Only those follow that people saw as this, or beneath it: a link to what is still there was renamed.
        permits : callable, optional
            Tells whether the subscriptions and connections of a principal are to follow.
        """
        self.subscriptions.move_path(old, new, label, was=was, permits=permits)
        for connection, rest in self._beneath(old, permits):
            if was is None or connection.identity.notebook == was + rest:
                self._renamed(connection, new + rest, label + rest)

    def delete(self, path: str, *, permits: Permits = anybody) -> None:
        """End the subscriptions of a notebook that was deleted, or of all beneath a directory; see `rename`."""
        self.subscriptions.end_path(path, permits)

    def _beneath(self, path: str, permits: Permits) -> list[tuple[Connection, str]]:
        """Return who runs a notebook, or one beneath a directory, and what its path has beyond that."""
        found: list[tuple[Connection, str]] = []
        for connection in self.connections:
            real = connection.identity.path or ""
            if (real == path or real.startswith(path + "/")) and permits(connection.identity.principal):
                found.append((connection, real[len(path) :]))
        return found

    def _renamed(self, connection: Connection, path: str, notebook: str) -> None:
        old = connection.identity.notebook
        self.describe(connection, connection.identity.renamed(path, notebook))
        connection.changed()
        if old != notebook:
            connection.socket.emit("$renamed", {"notebook": notebook, "old": old})

    def recheck(self, principal: str | None = None) -> None:
        """Take those out of their rooms who may not read them any more: one principal's connections, or all."""
        for connection in list(self.connections):
            if principal in (None, connection.identity.principal):
                for membership in list(connection.memberships.values()):
                    self._recheck(membership)

    # --- for commands

    def allows(self, identity: Identity, action: Action, room: str) -> bool:
        """Tell whether somebody may do something; if the access check raises, nobody may."""
        try:
            return self._access.allows(identity.credential, action, room)
        except Exception:  # somebody else's code: its fault must not open the door
            logger.exception("the rights of %s in room %r could not be decided: refused", identity.principal, room)
            return False

    def require(self, connection: Connection, action: Action, room: str) -> None:
        """Refuse what is not allowed; raises `Forbidden`."""
        if not self.allows(connection.identity, action, room):
            raise Forbidden(f"{connection.identity.principal} may not {action} in room {room!r}")

    def formerly(self, identity: Identity) -> list[str]:
        """Return the principals of version 0.1.0 whose subscriptions somebody inherits."""
        kernels = [KERNELS] if identity.path is not None else []
        return [identity.principal, *kernels, *self.former_names(identity.principal)]

    def enter(self, connection: Connection, room: Room, start: Start, subscription: Subscription | None) -> Membership:
        """Make a connection a member of a room; it catches up when the answer to its join has been written."""
        if self.connections.closed or not connection.socket.connected:
            raise Shutdown("the connection is gone")
        membership = Membership(room, connection, subscription)
        earlier = connection.memberships.pop(room.name, None)
        if earlier:
            earlier.exit()
            self.subscriptions.release(earlier)
        else:
            room.presence.arrive(connection.identity)
        connection.memberships[room.name] = room.members[connection] = membership
        self._take(membership)
        self.feed.changed(room)
        self.rooms.watchers.changed()
        membership.catch_up = CatchUp(
            membership, self.log, self.follower, self.limits,
            position=start.position, missed_through=start.head, number=start.number,
        )  # fmt: skip
        self.loop.call_soon(membership.catch_up.begin)
        return membership

    def remove(self, membership: Membership, *, lost: bool = False) -> None:
        """Take a connection out of a room; ``lost``: it broke, and may come back."""
        room, connection = membership.room, membership.connection
        if connection.memberships.get(room.name) is not membership:
            return
        membership.exit()
        del connection.memberships[room.name], room.members[connection]
        self.subscriptions.release(membership)
        member = connection.identity.member
        if room.presence.depart(member, lost=lost):
            self.feed.away(room, member)
        self.feed.changed(room)
        self.settle(room)
        connection.changed()

    def new_ring(self) -> Ring:
        """Return a ring for a room that begins with what comes next."""
        return Ring(self.follower.position, max_events=self.limits.ring_events, max_bytes=self.limits.ring_bytes)

    def describe(self, connection: Connection, identity: Identity) -> None:
        """More is known of who is connected."""
        connection.identity = identity
        for membership in connection.memberships.values():
            membership.room.presence.describe(identity)
            self.feed.changed(membership.room)

    async def find_notebook(self, connection: Connection) -> None:
        """Look once more for the notebook of a kernel that had none when it proved itself."""
        identity = connection.identity
        if self.find_kernel and identity.kernel and not identity.notebook:
            kernel = await self.find_kernel(identity.kernel)
            if kernel.notebook:
                self.describe(connection, connection.identity.proved(kernel))

    def settle(self, room: Room) -> None:
        """Let go of a room that nobody is in any more."""
        self.rooms.settle(room)
        if room.idle:
            self.feed.forget(room)

    def _recoverable(self, socket: Socket) -> None:
        assert self.recovery
        connection = self.connections.get(socket.id)
        if connection is None:
            return  # one more than its user may have: it was closed at once
        connection.watch(self.recovery.changed, self.recovery.owe)
        if socket.recovered:
            self.recovery.bring_back(connection)
        elif socket.auth.get("offset") is not None:
            connection.owe()  # what it would show is of a connection before

    def _gone(self, connection: Connection, reason: str) -> None:
        self.rooms.watchers.discard(connection)
        for membership in list(connection.memberships.values()):
            self.remove(membership, lost=reason != CLEAN)

    def _deliver(self, batch: Sequence[tuple[str, Encoded]]) -> None:
        """Write events that came out of the log to the members of their rooms, and say what became of the log."""
        self._log_state.look()
        if self.recovery:
            self.recovery.deliver(batch)
        else:
            self._namespace.deliver(batch)

    def _take(self, membership: Membership) -> None:
        """Make a membership the owner of its subscription, and tell the one that was it."""
        previous = self.subscriptions.take(membership)
        if previous and previous.subscription and previous.connection is not membership.connection:
            self.remove(previous)
            taken = {"room": previous.room.name, "as": previous.subscription.label}
            previous.connection.socket.emit("$taken", taken)
            previous.connection.owe()

    def _reset(self, reason: str) -> None:
        """Begin anew, because the log was replaced: nobody catches up with the old one, and everybody is told."""
        self.subscriptions.reload()
        batch: list[tuple[str, Encoded]] = []
        for room in self.rooms.active.values():
            room.reset(self.new_ring())
            notice = {"room": room.name, "epoch": self.log.epoch, "opening": self.log.opening, "reason": reason}
            batch.append((room.channel, encode_event(["$reset", notice])))
        self._log_state.tell()
        self._namespace.deliver(batch)
        if self.recovery:
            self.recovery.reset()
        self.rooms.watchers.changed()

    async def _watch(self) -> None:
        """Look from time to time who has lost the right to be where it is, and which rooms are no more."""
        while True:
            await asyncio.sleep(self.limits.recheck)
            try:
                self.recheck()
                await self.rooms.refresh(self.log)
                self._sweep()
            except Exception:
                logger.exception("the periodic recheck failed")

    def _sweep(self) -> None:
        """End the subscriptions that nobody uses: seldom, since what is looked for has expired anyway."""
        if self.clock() >= self._sweep_at:
            self._sweep_at = self.clock() + SWEEP_EVERY
            self.subscriptions.sweep()

    def _recheck(self, membership: Membership) -> None:
        connection, room = membership.connection, membership.room.name
        if not self.allows(connection.identity, "read", room):
            self.remove(membership)
            message = f"{connection.identity.principal} may not read in room {room!r} any more"
            refused = {"command": "join", "room": room, "code": Forbidden.code, "message": message}
            connection.socket.emit("$error", refused)
            connection.owe()
