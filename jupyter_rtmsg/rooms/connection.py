"""The connection of a client to its hub: hello, joins and resends at each connect, and the dispatch to rooms."""

from __future__ import annotations

import asyncio
import logging
import ssl
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from jupyter_rtmsg.client.address import Address
from jupyter_rtmsg.client.connect_errors import connect_error
from jupyter_rtmsg.client.executor import ExecutorFactory
from jupyter_rtmsg.client.route import Search
from jupyter_rtmsg.client.socket import SocketClient
from jupyter_rtmsg.errors import CommandError, Disconnected

from .commands import Commands, Reply
from .hello import Hello, say_hello
from .membership import Membership
from .notices import Durability
from .outbox import Outbox

_GOODBYE = 2.0  # seconds for the hub to store what is queued, and to take the last acknowledgements
_LEAST = 0.01  # seconds for the socket's own handlers, if those of rooms took all the time
logger = logging.getLogger(__name__)


class HubConnection:
    """The layer between a Socket.IO socket and rooms; the socket calls it (`client.connect_handshake.Layer`).

    The state is that of the socket. After each connect, and before the state becomes "connected", `prepare` says hello,
    joins the rooms again and sends again what was not acknowledged, in this order. Events are dispatched to the
    membership of their room as they are read; the touched memberships are woken once, at the end of the batch.

    `AsyncClient` owns it. It owns the socket, the memberships, and the outbox, which belongs to the running loop and is
    therefore made at the first connect. All of it runs on the I/O loop.

    Parameters
    ----------
    search : Search
        Finds the server.
    name : str or None
        Shown to other members.
    timeout : float
        Seconds for a command.
    tls, transports, make_executor
        See `SocketClient`.
    make_task_executor : callable
        Makes executors for async workers.
    durable : bool
        Refuse a hub that keeps events in memory only.
    left : callable
        Called with the name of a room that this client is no longer in.

    Attributes
    ----------
    client_id : str
        A random id, by which the hub recognizes this client after a reconnect.
    socket : SocketClient
    commands : Commands
    durability : Durability
    hello : Hello or None
        The reply to the last hello.
    user : str or None
        The authenticated user.
    memberships : dict of Membership
        By room; also while the join is under way.
    """

    def __init__(
        self,
        search: Search,
        *,
        name: str | None,
        timeout: float,
        tls: ssl.SSLContext | None,
        transports: Sequence[str],
        durable: bool,
        make_executor: ExecutorFactory,
        make_task_executor: ExecutorFactory,
        left: Callable[[str], object],
    ) -> None:
        self.client_id = uuid.uuid4().hex
        # Socket.IO's recovery is off: rooms recover by their log
        auth = {"client": self.client_id, "recovery": False, **({"name": name} if name else {})}
        self.socket = SocketClient(
            "",
            auth=auth,
            tls=tls,
            transports=transports,
            make_executor=make_executor,
            _search=search,
            _layer=self,
        )
        self.commands = Commands(self.socket, timeout)
        self.durability = Durability(durable)
        self.hello: Hello | None = None
        self.user: str | None = None
        self.memberships: dict[str, Membership] = {}
        self.make_executor = make_executor
        self._make_task_executor = make_task_executor
        self._left = left
        self._outbox: Outbox | None = None
        self._touched: set[Membership] = set()

    @property
    def outbox(self) -> Outbox:
        """The queue of events to the hub."""
        if self._outbox is None:
            raise Disconnected("the client was never connected")
        return self._outbox

    @property
    def has_handlers(self) -> bool:
        """Whether there are handlers or watchers."""
        return self.socket.has_handlers or any(membership.has_handlers for membership in self.memberships.values())

    # --- joining and closing

    async def join(
        self, room: str, as_: str | None, start: Mapping[str, Any], will: Mapping[str, Any] | None = None
    ) -> Membership:
        """Join a room, with retries until the timeout."""
        makers = self.make_executor, self._make_task_executor
        membership = Membership(room, as_, self.commands, *makers, self._forget, will)
        self.memberships[room] = membership  # before the reply, since the backlog follows it at once
        try:
            await self.commands.patiently(lambda: membership.join(start), transient=True)
        except BaseException:
            membership.end(f"room {room!r} was not joined")
            raise
        self.user = membership.user or self.user
        return membership

    def sought(self, room: str, name: str, reply: Reply) -> Callable[[], Awaitable[None]] | None:
        """Take the reply of a seek. If it moved a subscription of this client, return what continues from there."""
        membership = self.memberships.get(room)
        if membership is None or membership.subscription != name:
            return None
        membership.sought(reply)
        return membership.rejoin

    def _forget(self, membership: Membership) -> None:
        if self.memberships.get(membership.room) is membership:
            del self.memberships[membership.room]
            self._left(membership.room)

    async def close(self, timeout: float) -> None:
        """Handle what was received, store what was emitted, acknowledge, leave all rooms and disconnect."""
        if self.socket.state == "closed":
            return
        self.commands.check_loop()
        deadline = asyncio.get_running_loop().time() + timeout
        memberships = list(self.memberships.values())
        # The order matters. Handlers may emit, so the outbox is flushed after them; leaving sends the last
        # acknowledgements, so it comes after both.
        for membership in memberships:
            membership.drain()
        await asyncio.gather(*(membership.drained(timeout) for membership in memberships))
        if self.socket.state == "connected":
            await self.outbox.flush(max(_GOODBYE, deadline - asyncio.get_running_loop().time()))
            await self._leave(memberships)
        for membership in memberships:
            membership.end("the client was closed")
        await self.socket.disconnect(max(_LEAST, deadline - asyncio.get_running_loop().time()))
        if self._outbox:
            self._outbox.close()

    async def _leave(self, memberships: Sequence[Membership]) -> None:
        """Leave the rooms, with a limit for a hub that does not answer."""
        # All rooms at once: a hub that does not answer costs the limit once, and not once for each room.
        leaving = [asyncio.ensure_future(membership.leave()) for membership in memberships]
        if leaving:
            await asyncio.wait(leaving, timeout=_GOODBYE)
        for task in leaving:
            task.cancel()

    # --- called by the socket: connecting

    def begin(self) -> None:
        """Make the outbox on the first connect.

        Raises
        ------
        RuntimeError
            If the client has been connected before.
        """
        if self._outbox is not None:
            raise RuntimeError("this client has been connected before")
        self._outbox = Outbox(self.socket, self.client_id, max_event=self._max_event)

    def _max_event(self) -> int | None:
        return self.hello.max_event if self.hello else None

    async def prepare(self) -> None:
        """Say hello, join the rooms again, and send again what was not acknowledged."""
        assert self.socket.id is not None
        # First the proof of the kernel: the hub needs it to find the subscription of a notebook when it joins.
        self.hello = await say_hello(self.commands, self.socket.io.address.url, self.socket.id)
        self.durability.greeted(self.hello)
        self.user = self.hello.user or self.user
        memberships = [membership for membership in self.memberships.values() if membership.joined]
        await asyncio.gather(*(membership.rejoin() for membership in memberships))
        self.outbox.connected()  # last: no event may overtake the joins

    def writable(self) -> None:
        """Send what waits in the outbox."""
        self.outbox.pump()

    def lost(self) -> None:
        """Learn that the session has ended."""
        self.outbox.lost()

    def state_changed(self, state: str) -> None:
        """Tell the rooms the new state."""
        for membership in list(self.memberships.values()):
            membership.state_changed(state)

    def refusal(self, data: Any, address: Address) -> Exception:
        """Return the error that a CONNECT_ERROR of the hub means."""
        return connect_error(data, address)

    def is_transient(self, error: Exception) -> bool:
        """Return whether a refusal of the hub is transient."""
        return isinstance(error, CommandError) and error.transient

    # --- called by the socket: events

    def event(self, args: list[Any], size: int) -> bool:
        """Dispatch an event to its room. Return False if it is neither of a room nor of the hub."""
        # This runs for every event, so the test for the usual one comes first.
        if len(args) >= 3 and type(args[2]) is dict:
            membership = self.memberships.get(args[2].get("room", ""))
            if membership:
                membership.live(args, size)
                self._touched.add(membership)
                return True
        name = args[0]
        data = args[1] if len(args) > 1 and type(args[1]) is dict else None
        if data is None or type(name) is not str or not name.startswith("$"):
            return False
        return self._notice(name, data)

    def unreadable(self, args: Any) -> None:
        """Let a room skip an event whose data cannot be decoded."""
        if type(args) is list and len(args) >= 3 and type(args[2]) is dict:
            membership = self.memberships.get(args[2].get("room", ""))
            if membership:
                membership.skip(args)
                self._touched.add(membership)

    def end_batch(self) -> None:
        """Wake the rooms that got something in this batch."""
        # Woken once for each read, and not for each event: each wake-up of an executor crosses to another thread.
        touched, self._touched = self._touched, set()
        for membership in touched:
            membership.wake()

    def _notice(self, name: str, data: Mapping[str, Any]) -> bool:
        """Dispatch an event of the hub itself."""
        if name == "$renamed":
            self._renamed(str(data.get("old")), str(data.get("notebook")))
        elif name == "$log":
            self.durability.update(data)
            for each in tuple(self.memberships.values()):
                each.resumption.opened(data)
                self._touched.add(each)
        elif name == "$error":
            logger.warning("the hub refused %s: %s (%s)", data.get("command"), data.get("message"), data.get("code"))
            self._refused(data)
        else:
            membership = self.memberships.get(data.get("room", ""))
            if membership is None:
                return False
            membership.notice(name, data)
            self._touched.add(membership)
        return True

    def _renamed(self, old: str, notebook: str) -> None:
        """Take the new name of the notebook whose kernel this is."""
        if self.hello:
            self.hello = self.hello.renamed(notebook)
        for membership in self.memberships.values():
            membership.renamed(old, notebook)

    def _refused(self, data: Mapping[str, Any]) -> None:
        """End the membership in a room whose events this client may no longer read."""
        membership = self.memberships.get(data.get("room", ""))
        if membership and data.get("command") == "join":
            membership.refused(CommandError.of(str(data.get("code")), str(data.get("message"))))
