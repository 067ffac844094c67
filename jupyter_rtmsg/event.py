"""The public `Event`: one immutable entry of a room's log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from html import escape
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from .advice import EVENT, no_such_name, short
from .errors import WrongCall
from .names import displayable, escaped, isolated

CORRUPT = "$corrupt"
"""The name of the event that replaces an event damaged on the server's disk. It has the same seq and no data."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of an event, set by the server from the authenticated identity.

    Attributes
    ----------
    user : str
        The authenticated user, or ``token:<which>``.
    kind : str
        ``"browser"``, ``"kernel"`` (proved), ``"script"`` or ``"agent"``.
    name : str
        The name to show: a person's display name, the name of a kernel's notebook without its suffix, or the name that
        a script has set. Without any of them, the user.
    member : str
        The sender's id in the room's presence; the same across reconnects.
    notebook : str or None
        The path of a kernel's notebook at that time, relative to the server's root. None if this reader may not see it.
    """

    user: str
    kind: str
    name: str
    member: str
    notebook: str | None = None


class EventPayload(Protocol):
    """Data that are decoded when they are first read, as far as their event needs it (`payloads.lazy.LazyPayload`)."""

    @property
    def value(self) -> Any:
        """The decoded data."""

    @property
    def text(self) -> str:
        """The data in one line, without decoding them."""

    @property
    def html(self) -> str:
        """A small table or picture of the data; empty for others."""


class EventDelivery(Protocol):
    """The delivery of an event to a worker, as far as its event needs it (`rooms.delivery.WorkDelivery`)."""

    @property
    def deliveries(self) -> int:
        """How often the event was delivered, this time included."""

    @property
    def last_error(self) -> str | None:
        """Why it came back the last time."""

    def retry(self, after: float | None) -> None:
        """Have it delivered again."""

    def reject(self, reason: str) -> None:
        """Make it a dead letter."""

    def working(self) -> bool:
        """Renew the deadline."""


@dataclass(frozen=True, slots=True, repr=False)
class Event:
    """One entry of a room's log.

    Attributes
    ----------
    room, name : str
        The room and the event's name.
    data : object
        What was emitted: JSON, with ``bytes`` anywhere inside, and payloads such as tables, arrays and pictures. They
        are decoded when this is first read. One that cannot be decoded is a `jupyter_rtmsg.payloads.Unreadable`.
    wire : object
        The same as it came: JSON with ``bytes`` inside (docs/wire.md, "Payloads").
    seq : int or None
        Position in the log: strictly increasing, not dense within a room. None for volatile events.
    prev : int or None
        The seq of the room's previous event, 0 for its first. None for volatile events.
    ts : int
        When the hub received it, in ms since 1970, by the hub's clock. The clock may be wrong, so sort by ``seq``.
    sender : Sender
    id : str or None
        The id that its sender gave it.
    replay : bool
        True for an event from before the join or from a replay, False for a live one.
    n : int or None
        Its number in the room, shown as ``#n``: the room's next event has ``n + 1``. If the numbers of two consecutive
        events differ by more, the events between them were deleted. None for volatile events.
    key : str or None
        The key whose value it is, if it was emitted with ``retain``.
    retained : bool
        True for a value that the room had when this client joined. It counts neither as missed nor as handled.
    """

    room: str
    name: str
    wire: Any
    seq: int | None
    prev: int | None
    ts: int
    sender: Sender
    id: str | None = None
    replay: bool = False
    n: int | None = None
    key: str | None = None
    retained: bool = False
    delivery: EventDelivery | None = field(default=None, compare=False)
    lazy: EventPayload | None = field(default=None, compare=False)

    @property
    def data(self) -> Any:
        """What was emitted; payloads are decoded when this is first read."""
        return self.wire if self.lazy is None else self.lazy.value

    @property
    def deliveries(self) -> int:
        """How often a worker group has delivered it, this time included; 0 for the event of a listener."""
        return 0 if self.delivery is None else self.delivery.deliveries

    @property
    def last_error(self) -> str | None:
        """Why it came back to its worker group the last time, in one line; None if it did not."""
        return None if self.delivery is None else self.delivery.last_error

    def retry(self, after: float | None = None) -> None:
        """Have the worker group deliver this event again, on purpose: no try is charged.

        It is sent when the handler returns.

        Parameters
        ----------
        after : float, optional
            Seconds until then. By default the group's pause, which grows from time to time.

        Raises
        ------
        WrongCall
            If this is not the event of a worker, or it was settled already.
        """
        self._delivered("retry").retry(after)

    def reject(self, reason: str) -> None:
        """Make this event a dead letter of its worker group when the handler returns: trying again is of no use.

        Parameters
        ----------
        reason : str
            Shown in the table of dead letters.

        Raises
        ------
        WrongCall
            If this is not the event of a worker, or it was settled already.
        """
        self._delivered("reject").reject(reason)

    def working(self) -> bool:
        """Renew the deadline ``ack_wait`` of a worker; it does not wait.

        Returns
        -------
        bool
            False if the event is known to have been given to another worker, so that going on is of no use.

        Raises
        ------
        WrongCall
            If this is not the event of a worker, or it was settled already.
        """
        return self._delivered("working").working()

    def _delivered(self, call: str) -> EventDelivery:
        if self.delivery is None:
            raise WrongCall(
                f"event.{call}() is for the event of a worker, and {label(self)} {self.name!r} was not delivered to "
                f'one. Write @{self.room if self.room.isidentifier() else "lab"}.worker("name") instead of .on(...)'
            )
        return self.delivery

    @property
    def time(self) -> datetime:
        """When the hub received it, as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.ts / 1000, timezone.utc)

    def __repr__(self) -> str:
        data = short(self.wire) if self.lazy is None else self.lazy.text
        return f"<Event {label(self)} {self.name!r} in {self.room!r} from {self._called()}: {data}>"

    def _repr_html_(self) -> str | None:
        """Return the event with a small table or picture of its payload; None for an event without one."""
        shown = "" if self.lazy is None else self.lazy.html
        return f"<p>{escape(escaped(repr(self)))}</p>{shown}" if shown else None

    def _called(self) -> str:
        name, user = displayable(self.sender.name or self.sender.user), displayable(self.sender.user)
        return isolated(name) if name == user else f"{isolated(name)} ({isolated(user)})"

    def __getitem__(self, key: object) -> NoReturn:
        if isinstance(key, str) and (key == "data" or key in type(self).__slots__):
            raise WrongCall(f"an event has attributes. Write event.{key}")
        raise WrongCall(f"what was emitted is in event.data. Write event.data[{short(key)}]")

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            data = None if name in type(self).__slots__ else self.data
            if isinstance(data, dict) and name in data:
                no_such_name(self, name, {name: f"what was emitted is in event.data. Write event.data[{name!r}]"})
            no_such_name(self, name, EVENT)


def label(event: Event) -> str:
    """Return a short name of an event: ``#n``; its seq if its hub does not number events; or ``volatile``."""
    if event.n is not None:
        return f"#{event.n}"
    return "volatile" if event.seq is None else str(event.seq)
