"""Reading a log file through, to find out what of it is damaged.

The file is only read, and may be in use: what is found is what it held at the beginning. It is opened through SQLite,
in a process of its own, so that no lock of a running hub is touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from .gaps import Gap, read_table
from .roomrows import COLUMNS_OF_ROOM, is_sound
from .rows import COLUMNS, Row, Rows
from .runs import decode_keys
from .sane import nonsense
from .schema import APPLICATION_ID, VERSION, identity

_MOST = 1_000  # findings that are kept
_PAGES = 100  # that SQLite tells of


class Finding(msgspec.Struct, frozen=True):
    """Something that is damaged.

    Attributes
    ----------
    kind : str
        ``page``, ``event``, ``room``, ``number``, ``prev``, ``attachment``, ``reference``, ``opening``, ``meta`` or
        ``row``.
    where : str
        For example ``room lab, event 7``.
    what : str
    """

    kind: str
    where: str
    what: str


class Report(msgspec.Struct):
    """What a file holds, and what of it is damaged.

    Attributes
    ----------
    path : str
    format : int
    epoch : str
    rooms, events, attachments, bytes : int
        What was read, damaged or not; bytes are those of data and attachments.
    trimmed : int
        How many events of these rooms are gone, going by their numbers.
    damaged : int
        How many findings there are; ``findings`` has the first thousand of them.
    """

    path: str
    format: int = 0
    epoch: str = ""
    rooms: int = 0
    events: int = 0
    attachments: int = 0
    bytes: int = 0
    trimmed: int = 0
    damaged: int = 0
    findings: list[Finding] = []

    def add(self, kind: str, where: str, what: str) -> None:
        """Take note of something that is damaged."""
        self.damaged += 1
        if len(self.findings) < _MOST:
            self.findings.append(Finding(kind, where, what))


def verify(path_or_url: str | Path) -> Report:
    """Read a log file through.

    Parameters
    ----------
    path_or_url : str or Path
        The file, or ``sqlite:///`` and its path.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If there is no such file, or it is no log of a format that is known here.
    """
    path = Path(unquote(str(path_or_url).removeprefix("sqlite:///")))
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    report = Report(str(path))
    with closing(_connect(path)) as connection:
        try:
            application, report.format, _ = identity(connection)
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path} is no log, or so damaged that it cannot be read as one: {error}") from error
        if application != APPLICATION_ID or report.format != VERSION:
            raise ValueError(
                f"{path} is no log of format {VERSION} (application {application:#x}, format {report.format}); one "
                "of an older format gets this one when a server opens it"
            )
        connection.execute("BEGIN")
        for check in (_pages, _meta, _openings, Events, _attachments, _subscriptions, _ids, _others):
            _contained(report, connection, check)
    return report


def _connect(path: Path) -> sqlite3.Connection:
    uri = path.absolute().as_uri() + "?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:  # nobody has it open, and where it lies nothing can be written
        connection.close()
        connection = sqlite3.connect(uri + "&immutable=1", uri=True, isolation_level=None)
    except sqlite3.DatabaseError:
        pass
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    connection.execute("PRAGMA busy_timeout=5000")
    return connection


Check = Callable[[Report, sqlite3.Connection], object]


def _contained(report: Report, connection: sqlite3.Connection, check: Check) -> None:
    try:
        check(report, connection)
    except sqlite3.DatabaseError as error:
        report.add("page", f"while checking {check.__name__.strip('_').lower()}", str(error))


def _pages(report: Report, connection: sqlite3.Connection) -> None:
    for (line,) in connection.execute(f"PRAGMA integrity_check({_PAGES})"):
        if line != "ok":
            report.add("page", "file", str(line))


def _meta(report: Report, connection: sqlite3.Connection) -> None:
    meta = dict(connection.execute("SELECT k, v FROM meta").fetchall())
    for key, kind in (("epoch", str), ("id", str), ("crc_since", int), ("commits", int)):
        if type(meta.get(key)) is not kind:
            report.add("meta", key, f"is {meta.get(key)!r}")
    report.epoch = str(meta.get("epoch", ""))


def _openings(report: Report, connection: sqlite3.Connection) -> None:
    head = _head(connection)
    last: tuple[int, int] | None = None
    for number, id, start in connection.execute("SELECT number, id, start FROM opening ORDER BY number"):
        where = f"opening {number}"
        if type(id) is not str or not id or type(start) is not int:
            report.add("opening", where, f"has the id {id!r} and the start {start!r}")
            continue
        if last is not None and number != last[0] + 1:
            report.add("opening", where, f"follows opening {last[0]}")
        if start > head:
            report.add("opening", where, f"starts at {start}, behind the head {head}")
        last = number, start


def _head(connection: sqlite3.Connection) -> int:
    """Return the log's head, as far as rooms and events agree on it."""
    (events,) = connection.execute("SELECT max(seq) FROM event").fetchone()
    (rooms,) = connection.execute("SELECT max(head) FROM room WHERE typeof(head) = 'integer'").fetchone()
    return max(events or 0, rooms or 0)


class _Place(NamedTuple):
    """Where the last event of a room was."""

    seq: int
    n: int


class Events:
    """Checks rooms and their events, each by its checksum and by those around it.

    Parameters
    ----------
    report : Report
    connection : sqlite3.Connection
    """

    def __init__(self, report: Report, connection: sqlite3.Connection) -> None:
        self._report = report
        self._connection = connection
        self._rows = Rows()
        self._names: dict[Any, str] = {}
        self._heads: dict[Any, tuple[int, int]] = {}
        self._last: dict[Any, _Place] = {}
        self._read_rooms()
        for row in read_table(connection, f"room, {COLUMNS}", "event", "seq"):
            if isinstance(row, Gap):
                report.add("page", _range(row), f"cannot be read: {row.error}")
            else:
                self._event(row[1], Row(*row[2:]))
        self._ends()

    def _read_rooms(self) -> None:
        for row in read_table(self._connection, COLUMNS_OF_ROOM, "room", "id"):
            if isinstance(row, Gap):
                self._report.add("page", "rooms", f"some cannot be read: {row.error}")
                continue
            self._report.rooms += 1
            row = row[1:]
            name = row[1].decode(errors="replace") if isinstance(row[1], bytes) else repr(row[1])
            self._names[row[0]] = name
            if not is_sound(row):
                self._report.add("room", f"room {name!r}", "its row does not fit its checksum")
            else:
                self._heads[row[0]] = row[2], row[3]

    def _event(self, key: Any, row: Row) -> None:
        report = self._report
        report.events += 1
        if key not in self._names:
            report.add("reference", f"event {row.seq}", f"belongs to no room: there is none with the number {key!r}")
            return
        name = self._names[key]
        where = f"room {name!r}, event {row.seq}"
        record = self._rows.intact(self._connection, name, row)
        if record is None:
            report.add("event", where, "does not fit its checksum, and reads as $corrupt")
            return
        size = len(record.data) + sum(map(len, record.attachments))
        report.bytes += size
        report.attachments += len(record.attachments)
        if row.size != size or len(record.attachments) != row.attachments:
            said = f"says it has {row.size!r} bytes and {row.attachments!r} attachments"
            report.add("event", where, f"{said}, and has {size} and {len(record.attachments)}")
        self._place(key, where, row)

    def _place(self, key: Any, where: str, row: Row) -> None:
        """Check an event against the one before it: only what was trimmed, or is damaged, may be missing."""
        last = self._last.get(key, _Place(0, 0))
        missing = row.n - last.n - 1
        if not 0 <= missing < row.seq - last.seq:
            self._report.add("number", where, f"is number {row.n}, after number {last.n} at {last.seq}")
        elif missing:
            self._report.trimmed += missing
        if (row.prev == last.seq) != (missing == 0) and not (last.seq == 0 and row.prev > 0):
            self._report.add("prev", where, f"follows {row.prev}, and the one before it here is {last.seq}")
        self._last[key] = _Place(row.seq, row.n)

    def _ends(self) -> None:
        for key, (head, n) in self._heads.items():
            last = self._last.get(key, _Place(0, 0))
            if head >= last.seq and n < last.n:
                self._report.add("room", f"room {self._names[key]!r}", f"ends with number {n}, and has number {last.n}")
            elif head > last.seq:
                self._report.trimmed += n - last.n


def _range(gap: Gap) -> str:
    after = max(gap.after, 0)
    return f"events after {after}" if gap.before is None else f"events {after + 1} to {gap.before - 1}"


def _attachments(report: Report, connection: sqlite3.Connection) -> None:
    lost = connection.execute(
        "SELECT attachment.seq, num FROM attachment LEFT JOIN event ON event.seq = attachment.seq "
        "WHERE event.seq IS NULL OR num NOT BETWEEN 0 AND event.attachments - 1 OR typeof(num) != 'integer'"
    )
    for seq, num in lost:
        report.add("attachment", f"attachment {num!r} of event {seq!r}", "belongs to no event")


def _subscriptions(report: Report, connection: sqlite3.Connection) -> None:
    head = _head(connection)
    rows = connection.execute(
        "SELECT id, user, room, key, position FROM subscription WHERE epoch = ? AND position > ?", (report.epoch, head)
    )
    for id, user, room, key, position in rows:
        where = f"subscription {id} ({key!r} of {user!r} in {room!r})"
        report.add("reference", where, f"is at {position}, and the log's head is {head}")


def _ids(report: Report, connection: sqlite3.Connection) -> None:
    head = _head(connection)
    for table, key in (("known", "last"), ("settled", "part")):
        for number, keys in connection.execute(f"SELECT {key}, keys FROM {table}"):  # noqa: S608 -- fixed text
            decoded = decode_keys(keys, quiet=True)
            if not decoded or max(decoded.values()) > head or min(decoded.values()) < 1:
                report.add("row", f"{table} {number}", "the ids of appends in it are damaged")


def _others(report: Report, connection: sqlite3.Connection) -> None:
    for table, count in nonsense(connection).items():
        if count:
            report.add("row", f"table {table}", f"{count} of its rows hold something of another type, or out of bounds")


def lines(report: Report) -> Iterator[str]:
    """Give a report as text."""
    yield (
        f"{report.path}: format {report.format}, {report.rooms:,} rooms, {report.events:,} events of {report.bytes:,} "
        f"bytes, {report.attachments:,} attachments; {report.trimmed:,} events were trimmed"
    )
    for finding in report.findings:
        yield f"{finding.kind}: {finding.where}: {finding.what}"
    if report.damaged > len(report.findings):
        yield f"... and {report.damaged - len(report.findings):,} more"
    yield f"{report.damaged:,} damaged" if report.damaged else "nothing is damaged"
