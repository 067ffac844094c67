"""Tables of results: as text in a terminal, in HTML in a notebook, and as a pandas DataFrame.

A result that is a list is a `TableList`, so that all of them look alike:

>>> _TABLE = Table(
...     ("room", "name", "last used"),
...     lambda each: (each.room, each.name, each.used),
...     fields=("room", "name", "used", "expires"),
...     times=("used", "expires"),
...     empty="No subscriptions.",
... )
>>> class Subscriptions(TableList[Subscription]):
...     _table = _TABLE
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from jupyter_rtmsg.names import escaped

if TYPE_CHECKING:
    import pandas

SHOWN = 100
"""The rows of a table that are shown."""
_WIDTH = 200  # characters of a cell
_LEFT = 'style="text-align: left" dir="auto"'  # by default notebooks align cells to the right

T = TypeVar("T")


class Displayed(str):
    """A cell that was made for display, as by `Names`: its characters are shown as they are (HTML is still escaped)."""

    __slots__ = ()


class Table(Generic[T]):
    """How the items of a sequence are shown, and what a DataFrame of them has.

    Text that people wrote is safe in it: hidden characters are shown as Python writes them, HTML is escaped, and a
    cell of more than 200 characters is cut.

    Parameters
    ----------
    columns : sequence of str
        The headings.
    cells : callable
        Returns the cells of an item: a str, a number, None (shown as nothing), a bool (yes or nothing), or an aware
        datetime, which is shown in local time.
    fields : sequence of str
        The columns of a DataFrame.
    record : callable, optional
        Returns the row of an item for a DataFrame, by column; by default the item's attributes in `fields`.
    times : sequence of str
        Those fields that are times: their column is in UTC, also if none of them is set.
    index : str, optional
        The field that is the index of a DataFrame.
    empty : str
        What is shown if there are no items.
    newest : bool
        Whether the last items are shown rather than the first.
    shown : int or None
        The items that are shown; by default 100, and None shows all.
    """

    __slots__ = ("_cells", "_columns", "_empty", "_fields", "_index", "_newest", "_record", "_shown", "_times")

    def __init__(
        self,
        columns: Sequence[str],
        cells: Callable[[T], Iterable[object]],
        *,
        fields: Sequence[str],
        empty: str,
        record: Callable[[T], Mapping[str, Any]] | None = None,
        times: Sequence[str] = (),
        index: str | None = None,
        newest: bool = False,
        shown: int | None = SHOWN,
    ) -> None:
        self._columns, self._cells = tuple(columns), cells
        self._fields, self._times, self._index = list(fields), frozenset(times), index
        self._record = record or self._attributes
        self._empty, self._newest, self._shown = empty, newest, shown

    def text(self, items: Sequence[T], note: str = "") -> str:
        """Return the items as lines of aligned columns.

        Parameters
        ----------
        items : sequence
        note : str
            A line in front of the table.
        """
        if not items:
            return "\n".join(filter(None, (note, self._empty)))
        rows = [self._columns, *self._rows(items)]
        widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(_padded, row, widths)).rstrip() for row in rows]
        above, below = self._left_out(items)
        return "\n".join([*filter(None, (note, above)), *lines, *filter(None, (below,))])

    def html(self, items: Sequence[T], note: str = "") -> str:
        """Return the items as a table in HTML.

        Parameters
        ----------
        items : sequence
        note : str
            A paragraph in front of the table.
        """
        if not items:
            return _paragraphs(note, self._empty)
        head = "".join(f"<th {_LEFT}>{escape(column)}</th>" for column in self._columns)
        body = "".join(map(_html_row, self._rows(items)))
        above, below = self._left_out(items)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"{_paragraphs(note, above)}{table}{_paragraphs(below)}"

    def to_pandas(self, items: Sequence[T]) -> pandas.DataFrame:
        """Return a DataFrame with a row per item. Times are in UTC, and what is not set is missing.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas() needs pandas: pip install pandas") from None
        rows = [self._record(item) for item in items]
        frame = pandas.DataFrame(rows, columns=None if rows else self._fields)
        for name in self._times.intersection(frame.columns):
            frame[name] = pandas.to_datetime(frame[name], utc=True)
        return frame if self._index is None else frame.set_index(self._index)

    def _attributes(self, item: T) -> dict[str, Any]:
        return {name: getattr(item, name) for name in self._fields}

    def _rows(self, items: Sequence[T]) -> list[tuple[str, ...]]:
        most = len(items) if self._shown is None else min(self._shown, len(items))
        shown = items[len(items) - most :] if self._newest else items[:most]
        return [tuple(map(_text, self._cells(item))) for item in shown]

    def _left_out(self, items: Sequence[T]) -> tuple[str, str]:
        """Return the lines above and below the table that tell how many items are not shown."""
        count = 0 if self._shown is None else len(items) - self._shown
        if count <= 0:
            return "", ""
        if self._newest:
            return f"The first {count:,} of {len(items):,} are not shown.", ""
        return "", f"... and {count:,} more"


class TableList(list[T]):
    """A list that is shown as a table."""

    _table: ClassVar[Table[Any]]

    def __repr__(self) -> str:
        return self._table.text(self, self._note)

    def _repr_html_(self) -> str:
        """Return a table. Text that people wrote is escaped."""
        return self._table.html(self, self._note)

    @property
    def _note(self) -> str:
        """A line in front of the table."""
        return ""

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with a row per item. Times are in UTC, and what is not set is missing.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return self._table.to_pandas(self)


def _paragraphs(*lines: str) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in lines if line)


def _text(cell: object) -> str:
    if cell is None or isinstance(cell, bool):
        return "yes" if cell else ""
    if isinstance(cell, datetime):
        return cell.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    text = str(cell)
    text = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
    return text if isinstance(cell, Displayed) else escaped(text)


def _html_row(cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<td {_LEFT}>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))


def _width(text: str) -> int:
    """Return the columns of a terminal that a text takes: Chinese characters take two, accents none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )
