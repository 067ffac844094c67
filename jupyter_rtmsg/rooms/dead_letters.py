"""The dead letters of a worker group: events that could not be handled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from jupyter_rtmsg.advice import LETTER, LETTERS, no_such_name, short
from jupyter_rtmsg.client.blocking import blocking, direct
from jupyter_rtmsg.client.bridge import Bridge
from jupyter_rtmsg.errors import WrongCall
from jupyter_rtmsg.event import Event, label
from jupyter_rtmsg.payloads.text import data_text

from .commands import Commands
from .decoding import Era, event_of
from .parts import PartsReader
from .table import Table

if TYPE_CHECKING:
    import pandas

_MOST = 1_000  # numbers in one command
_WIDTH = 80  # characters of data in a row


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """An event that could not be handled.

    Attributes
    ----------
    number : int
        Names it in the group.
    event : Event
    reason : str
        ``"tries"`` (its handler raised too often), ``"rejected"``, ``"lost"`` (the processes that handled it died) or
        ``"corrupt"`` (it was damaged on the server's disk).
    message : str
        The reason that ``event.reject`` gave, or what happened.
    error, traceback : str
        The last exception of its handler, in one line and as a whole; empty if it raised none. Long texts are cut.
    worker : str
        The name of the last worker.
    deliveries : int
    first, last : datetime or None
        The times of the first delivery, and of its end.
    """

    number: int
    event: Event
    reason: str
    message: str
    error: str
    traceback: str
    worker: str
    deliveries: int
    first: datetime | None
    last: datetime | None

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, LETTER)

    @classmethod
    def of(cls, room: str, fields: Mapping[str, Any]) -> DeadLetterRow:
        """Make one from its fields on the wire."""
        error = fields.get("error") or {}
        kind, text = error.get("type") or "", error.get("message") or ""
        return cls(
            number=fields["number"],
            event=event_of(room, str(fields.get("event") or ""), fields.get("data"), fields, replay=True),
            reason=str(fields.get("reason") or ""),
            message=str(fields.get("message") or ""),
            error=f"{kind}: {text}" if kind and text else kind or text,
            traceback=error.get("traceback") or "",
            worker=str(fields.get("worker") or ""),
            deliveries=int(fields.get("deliveries") or 0),
            first=_time(fields.get("first")),
            last=_time(fields.get("last")),
        )

    @property
    def name(self) -> str:
        """The name of the event."""
        return self.event.name

    @property
    def data(self) -> Any:
        """The data of the event."""
        return self.event.data

    def show(self) -> None:
        """Print the reason, and the traceback of the last exception."""
        print(f"{label(self.event)} {self.name!r}: {self.message or self.reason}", self.traceback, sep="\n")  # noqa: T201


def _time(ms: Any) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, timezone.utc)


def _record(each: DeadLetterRow) -> dict[str, Any]:
    record = {name: getattr(each, name) for name in _FIELDS if name not in ("event", "sender")}
    return {"event": each.name, "sender": each.event.sender.name, **record}


_FIELDS = (
    "event", "sender", "number", "reason", "message", "error", "traceback", "worker", "deliveries", "first", "last",
    "data",
)  # fmt: skip
_TABLE: Table[DeadLetterRow] = Table(
    ("#", "event", "data", "reason", "error", "deliveries", "worker", "last"),
    lambda each: (
        label(each.event), each.name, data_text(each.event.wire, _WIDTH), each.reason, each.error or each.message,
        each.deliveries, each.worker, each.last,
    ),
    fields=_FIELDS,
    record=_record,
    times=("first", "last"),
    empty="No dead letters.",
)  # fmt: skip

Numbers: TypeAlias = "int | DeadLetterRow | Iterable[int | DeadLetterRow]"


class AsyncDeadLetterTable(Sequence[DeadLetterRow]):
    """The dead letters of a group, the oldest first. `AsyncRoom.dead_letters` reads them.

    A slice is a smaller table, so ``letters[:3].redrive()`` is about three of them.

    Attributes
    ----------
    discarded : int
        How many the group has discarded: by `discard`, and the oldest when there were too many.
    """

    def __init__(
        self, commands: Commands, address: Mapping[str, str], letters: Iterable[DeadLetterRow], discarded: int
    ) -> None:
        self.discarded = discarded
        self._commands = commands
        self._address = dict(address)
        self._letters = tuple(letters)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, LETTERS, awaited=True)

    def __len__(self) -> int:
        return len(self._letters)

    @overload
    def __getitem__(self, index: int) -> DeadLetterRow: ...
    @overload
    def __getitem__(self, index: slice) -> AsyncDeadLetterTable: ...
    def __getitem__(self, index: int | slice) -> DeadLetterRow | AsyncDeadLetterTable:
        if isinstance(index, slice):
            return AsyncDeadLetterTable(self._commands, self._address, self._letters[index], self.discarded)
        return self._letters[index]

    def __repr__(self) -> str:
        return _TABLE.text(self._letters, self._note)

    def _repr_html_(self) -> str:
        """Return a table. Text that people wrote is escaped."""
        return _TABLE.html(self._letters, self._note)

    @property
    def _note(self) -> str:
        return f"{self.discarded:,} more were discarded." if self.discarded else ""

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with a row per dead letter.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return _TABLE.to_pandas(self._letters)

    async def redrive(self, numbers: Numbers | None = None) -> int:
        """Give dead letters to the group's workers again, with all their tries.

        Parameters
        ----------
        numbers : int, DeadLetterRow or iterable of them, optional
            Which ones, by their ``number``; without it all of this table.

        Returns
        -------
        int
            How many were given back; those that are no dead letters any more are not counted.

        Raises
        ------
        Forbidden
            If this user is no worker of the group, and may not manage the room.
        """
        return await self._each("redrive", numbers, "redriven")

    async def discard(self, numbers: Numbers | None = None) -> int:
        """Forget dead letters for good.

        Parameters
        ----------
        numbers : int, DeadLetterRow or iterable of them, optional
            Which ones, by their ``number``; without it all of this table.

        Returns
        -------
        int
            How many were discarded.

        Raises
        ------
        Forbidden
            If this user is no worker of the group, and may not manage the room.
        """
        return await self._each("discard", numbers, "discarded")

    async def _each(self, command: str, numbers: Numbers | None, counted: str) -> int:
        wanted, count = self._numbers(command, numbers), 0
        for start in range(0, len(wanted), _MOST):
            request = {**self._address, "numbers": wanted[start : start + _MOST]}
            count += int((await self._commands.ask(command, request)).get(counted) or 0)
        return count

    def _numbers(self, command: str, numbers: Numbers | None) -> list[int]:
        if numbers is None:
            return [letter.number for letter in self._letters]
        single = isinstance(numbers, (int, DeadLetterRow)) or not isinstance(numbers, Iterable)
        given: list[Any] = [numbers] if single else list(numbers)  # type: ignore[arg-type]
        found = [each.number if isinstance(each, DeadLetterRow) else each for each in given]
        for each in found:
            if isinstance(each, bool) or not isinstance(each, int):
                raise WrongCall(
                    f"{command}() takes dead letters, or their numbers, not {short(each)}. Write letters.{command}(), "
                    f"or letters.{command}(letters[0])"
                )
        return found


async def read_dead_letters(commands: Commands, room: str, group: str) -> AsyncDeadLetterTable:
    """Ask the hub for all dead letters of a group."""
    address: dict[str, Any] = {"room": room, "group": group}
    letters: list[DeadLetterRow] = []
    request = address
    while True:
        reply = await commands.ask_patiently("dead_letters", request)
        page = await PartsReader.of(room, commands).page(reply["letters"], Era(""))
        letters += (DeadLetterRow.of(room, fields) for fields in page)
        if not reply.get("more") or not reply["letters"]:
            return AsyncDeadLetterTable(commands, address, letters, int(reply.get("discarded") or 0))
        request = {**address, "after": reply["through"]}


class DeadLetterTable(Sequence[DeadLetterRow]):
    """The dead letters of a group, the oldest first. `Room.dead_letters` reads them.

    A slice is a smaller table, so ``letters[:3].redrive()`` is about three of them.
    """

    def __init__(self, letters: AsyncDeadLetterTable, bridge: Bridge) -> None:
        self._async = letters
        self._bridge = bridge

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, LETTERS)

    @property
    def discarded(self) -> int:
        """How many the group has discarded: by `discard`, and the oldest when there were too many."""
        return self._async.discarded

    def __len__(self) -> int:
        return len(self._async)

    def __iter__(self) -> Iterator[DeadLetterRow]:
        return iter(self._async)

    @overload
    def __getitem__(self, index: int) -> DeadLetterRow: ...
    @overload
    def __getitem__(self, index: slice) -> DeadLetterTable: ...
    def __getitem__(self, index: int | slice) -> DeadLetterRow | DeadLetterTable:
        found = self._async[index]
        return DeadLetterTable(found, self._bridge) if isinstance(found, AsyncDeadLetterTable) else found

    def __repr__(self) -> str:
        return repr(self._async)

    def _repr_html_(self) -> str:
        """Return a table. Text that people wrote is escaped."""
        return self._async._repr_html_()

    to_pandas = direct(AsyncDeadLetterTable.to_pandas, "DeadLetterTable")
    redrive = blocking(AsyncDeadLetterTable.redrive, "DeadLetterTable")
    discard = blocking(AsyncDeadLetterTable.discard, "DeadLetterTable")
