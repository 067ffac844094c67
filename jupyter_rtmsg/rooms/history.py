"""The history of a room: reading its log page by page, and the sequence of events that users get."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from jupyter_rtmsg.errors import WrongCall
from jupyter_rtmsg.event import Event, label
from jupyter_rtmsg.payloads.text import data_text

from .decoding import Era, event_of
from .names import Names
from .ndjson import read_events
from .parts import PartsReader
from .table import SHOWN, Displayed, Table

if TYPE_CHECKING:
    import pandas

PAGE = 500  # events per request
_WIDTH = 199  # characters of data in a row
_FIELDS = ("seq", "time", "event", "sender", "user", "notebook", "data")

Ask: TypeAlias = "Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]"


class Events(Sequence[Event]):
    """An immutable sequence of `Event`.

    Parameters
    ----------
    events : iterable of Event
    you : str, optional
        The user whose events a table marks with "(you)".
    trimmed : int
        The number of events that belong here and that the hub no longer holds.

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

    @classmethod
    def load(cls, path: str | Path) -> Events:
        """Return the events of a file that ``room.export("x.ndjson")`` wrote, or ``x.ndjson.gz``.

        Raises
        ------
        ExportError
            If a line is not one of an export; the message has its number.
        OSError
            If the file cannot be read.
        """
        return cls(read_events(Path(path)))

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
        return id(self)  # the data of events may be unhashable

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
        """Return a table of the last 100 events. Text that people wrote is escaped.

        Senders are named as in the views of a room, see `Names`.
        """
        names = Names(self._you, {event.sender for event in self._events[-SHOWN:]})
        gone = f"{self.trimmed:,} more events are no longer held." if self.trimmed else ""
        return _table(names).html(self._events, gone)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with a row per event.

        The index is ``seq``. The columns are ``time``, ``event``, ``sender`` (the name), ``user`` and ``notebook``. If
        the data are dicts, there is a column for each key, with the prefix ``data.`` where a key has the name of
        another column; other data are in the column ``data``.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return _table(Names()).to_pandas(self._events)


def _table(names: Names) -> Table[Event]:
    return Table(
        ("#", "time", "event", "from", "data"),
        lambda event: _cells(event, names),
        fields=_FIELDS,
        record=_record,
        times=("time",),
        index="seq",
        empty="No events.",
        newest=True,
    )


def _cells(event: Event, names: Names) -> tuple[object, ...]:
    time = event.time.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    data = "" if event.wire is None else data_text(event.wire, _WIDTH)
    return event.n or event.seq, time, event.name, Displayed(names.of(event.sender)), Displayed(data)


def _record(event: Event) -> dict[str, Any]:
    sender = event.sender
    fields = (event.seq, event.time, event.name, sender.name, sender.user, sender.notebook)
    record = dict(zip(_FIELDS, fields, strict=False))
    data = event.data
    if not isinstance(data, dict):
        return {**record, "data": data}
    taken = frozenset(_FIELDS)
    return {**record, **{f"data.{key}" if key in taken else key: value for key, value in data.items()}}


async def read_history(
    ask: Ask,
    room: str,
    *,
    last: int | None = None,
    limit: int | None = None,
    you: str | None = None,
    **wanted: Any,
) -> Events:
    """Read events of a room's log, in as many pages as needed.

    Parameters
    ----------
    ask : callable
        Sends a command and returns the reply.
    room : str
    last : int, optional
        Read this number of newest events; pages are read from the end.
    limit : int, optional
        Read at most this number of events, from the oldest on.
    you : str, optional
        The user who reads.
    **wanted
        ``after``, ``epoch``, ``before``, ``since``, ``event``, ``sender`` as in docs/wire.md, "History"; None is left
        out.
    """
    request = {"room": room, **{key: value for key, value in wanted.items() if value is not None}}
    if last is not None:
        pages = await _backwards(ask, request, last)
    else:
        pages = await _forwards(ask, request, limit)
    events = (fields for page in pages for fields in page)
    loaded = await PartsReader(room, ask).page(events, Era.of(request))
    return Events((stored_event(room, fields) for fields in loaded), you)


async def _forwards(ask: Ask, request: dict[str, Any], limit: int | None) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    missing = limit if limit is not None else float("inf")
    while missing > 0:
        reply = await ask("history", {**request, "limit": int(min(missing, PAGE))})
        pages.append(reply["events"])
        missing -= len(reply["events"])
        if not reply["more"]:
            break
        request |= {"after": reply["through"], **(Era.of(reply).fields if "epoch" in request else {})}
    return pages


async def _backwards(ask: Ask, request: dict[str, Any], last: int) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    while last > 0:
        reply = await ask("history", {**request, "last": min(last, PAGE)})
        events = reply["events"]
        if not events:
            break
        pages.insert(0, events)
        last -= len(events)
        request = {**request, "before": events[0]["seq"]}
        if events[0]["seq"] <= reply["first"]:  # `more` is about events after a page
            break
    return pages


def stored_event(room: str, fields: Mapping[str, Any]) -> Event:
    """Make an event from its fields on a page of history."""
    return event_of(room, fields["event"], fields.get("data"), fields, replay=True)


def milliseconds(time: float | datetime | None) -> int | None:
    """Return a time as the wire has it: a float, in seconds since 1970, or a datetime, in milliseconds since 1970."""
    if isinstance(time, datetime):
        time = time.timestamp()
    return None if time is None else round(time * 1000)
