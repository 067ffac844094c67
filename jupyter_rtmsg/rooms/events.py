"""Events read back, as a sequence that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, overload

from jupyter_rtmsg.errors import WrongCall
from jupyter_rtmsg.event import Event, label
from jupyter_rtmsg.invisible import escaped

from .names import Names
from .text import data_text

if TYPE_CHECKING:
    import pandas

_SHOWN = 100
_WIDTH = 200
_COLUMNS = ("#", "time", "event", "from", "data")
_FIELDS = ("time", "event", "sender", "user", "notebook")
_LEFT = 'style="text-align: left" dir="auto"'  # notebooks put numbers to the right, and text with them


class Events(Sequence[Event]):
    """An immutable sequence of `Event`.

    Parameters
    ----------
    events : iterable of Event
    you : str, optional
        The user whose events a table marks as one's own.
    trimmed : int
        How many events that belong here are no longer held.

    Attributes
    ----------
    trimmed : int

    Examples
    --------
    >>> missed = room.missed()
    >>> missed[-1].data, len(missed), missed[:10]
    >>> missed.to_pandas()["loss"].plot()
    """

    __slots__ = ("_events", "_you", "trimmed")

    def __init__(self, events: Iterable[Event] = (), you: str | None = None, trimmed: int = 0) -> None:
        self._events = tuple(events)
        self.trimmed = trimmed
        self._you = you

    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Events: ...
    def __getitem__(self, index: int | slice) -> Event | Events:
        if isinstance(index, slice):
            return Events(self._events[index], self._you)
        if isinstance(index, str):
            raise WrongCall(f"events are numbered. Write events.to_pandas()[{index!r}], or events[-1].data[{index!r}]")
        return self._events[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Events) and self._events == other._events

    def __hash__(self) -> int:
        return id(self)  # the data of an event may be a list

    def __repr__(self) -> str:
        gone = f"; {self.trimmed} more are no longer held" if self.trimmed else ""
        if not self._events:
            return f"<Events: none{gone}>"
        first, last = self._events[0], self._events[-1]
        return f"<Events: {len(self)}, {label(first)} to {label(last)}{gone}>"

    @property
    def data(self) -> list[Any]:
        """The data of every event."""
        return [event.data for event in self._events]

    def _repr_html_(self) -> str:
        """Return a table of the last 100; everything that people wrote is escaped.

        Senders are called as views of a room call them: by name, the user where it is another, and "(you)".
        """
        gone = f"<p>{self.trimmed:,} more events are no longer held.</p>" if self.trimmed else ""
        if not self._events:
            return f"<p>No events.</p>{gone}"
        shown = self._events[-_SHOWN:]
        head = "".join(f"<th {_LEFT}>{column}</th>" for column in _COLUMNS)
        names = Names(self._you, {event.sender for event in shown})
        body = "".join(_row(event, names) for event in shown)
        left_out = len(self) - len(shown)
        note = f"<p>{len(self):,} events; the first {left_out:,} are not shown.</p>" if left_out else ""
        return f"{gone}{note}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with a row per event.

        The index is ``seq``; the columns are ``time``, ``event``, ``sender`` (the name), ``user``, ``notebook`` and,
        where the data are dicts, one per key, else ``data``. A key that is called like one of those columns gets the
        prefix ``data.``.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas() needs pandas: pip install pandas") from None
        rows = [_record(event) for event in self._events]
        index = pandas.Index([event.seq for event in self._events], name="seq")
        return pandas.DataFrame(rows, index=index, columns=None if rows else [*_FIELDS, "data"])


def _row(event: Event, names: Names) -> str:
    number = event.n or event.seq or ""
    time = event.time.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    data = "" if event.data is None else data_text(event.data, _WIDTH)
    cells = (number, time, escaped(event.name), names.of(event.sender), data)
    return "<tr>" + "".join(f"<td {_LEFT}>{escape(str(cell))}</td>" for cell in cells) + "</tr>"


def _record(event: Event) -> dict[str, Any]:
    sender = event.sender
    record = dict(zip(_FIELDS, (event.time, event.name, sender.name, sender.user, sender.notebook), strict=True))
    if not isinstance(event.data, dict):
        return {**record, "data": event.data}
    taken = {*record, "data"}
    return {**record, **{f"data.{key}" if key in taken else key: value for key, value in event.data.items()}}
