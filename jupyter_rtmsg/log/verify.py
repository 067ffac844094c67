"""Checking all of a log file for damage.

The file is only read, and a server may use it meanwhile: the report is about its contents at the start of the check. Do
not call it in a process that has the log open, since closing a file there drops SQLite's locks on it.
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

from .crc import part_crc
from .damage import Gap, count_invalid_rows, read_table
from .groups import damaged_rows
from .policy import read_policies
from .records import stored_size
from .retained import check_values
from .rows import COLUMNS, ROOM_COLUMNS, EventRow, RecordDecoder, is_sound
from .schema import APPLICATION_ID, VERSION, read_format
from .segments import decode_keys

_MAX_FINDINGS = 1_000
_MAX_PAGES = 100  # errors that SQLite's own check reports


class Finding(msgspec.Struct, frozen=True):
    """A damaged part of a file.

    Attributes
    ----------
    kind : str
        ``page``, ``event``, ``room``, ``number``, ``prev``, ``attachment``, ``part``, ``value``, ``reference``,
        ``opening``, ``meta`` or ``row``.
    where : str
        For example ``room lab, event 7``.
    what : str
    """

    kind: str
    where: str
    what: str


class Report(msgspec.Struct):
    """The contents of a file, and the damage found.

    Attributes
    ----------
    path : str
    format : int
    epoch : str
    rooms, events, attachments, bytes : int
        The number of rows that were read, damaged or not; the bytes of data and attachments.
    trimmed : int
        Number of events that were deleted from these rooms, according to the numbers of the others.
    damaged : int
        Number of findings.
    findings : list of Finding
        The first thousand of them.
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
        """Add a finding."""
        self.damaged += 1
        if len(self.findings) < _MAX_FINDINGS:
            self.findings.append(Finding(kind, where, what))


def verify(path_or_url: str | Path) -> Report:
    """Check all of a log file for damage.

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
        If there is no such file, or it is not a log of the present format.
    """
    path = Path(unquote(str(path_or_url).removeprefix("sqlite:///")))
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    with closing(_connect(path)) as connection:
        try:
            application, version, _ = read_format(connection)
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path} is not a log, or too damaged to be read as one: {error}") from error
        if application != APPLICATION_ID or version != VERSION:
            raise ValueError(
                f"{path} is not a log of format {VERSION} (application {application:#x}, format {version}). A log of "
                "an older format is converted when a server opens it"
            )
        report = Report(str(path), version)
        connection.execute("BEGIN")
        for check in (
            _pages,
            _meta,
            _openings,
            EventCheck,
            _attachments,
            _parts,
            _values,
            _subscriptions,
            _policies,
            _groups,
            _ids,
            _invalid_rows,
        ):
            _run(check, report, connection)
    return report


def _connect(path: Path) -> sqlite3.Connection:
    uri = path.absolute().as_uri() + "?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:  # nobody has it open, and SQLite cannot create its files beside it
        connection.close()
        connection = sqlite3.connect(uri + "&immutable=1", uri=True, isolation_level=None)
    except sqlite3.DatabaseError:
        pass
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    connection.execute("PRAGMA busy_timeout=5000")
    return connection


Check = Callable[[Report, sqlite3.Connection], object]


def _run(check: Check, report: Report, connection: sqlite3.Connection) -> None:
    """Run a check. If it cannot read a page, report that, and let the next check run."""
    try:
        check(report, connection)
    except sqlite3.DatabaseError as error:
        report.add("page", f"while checking {check.__name__.strip('_').lower()}", str(error))


def _pages(report: Report, connection: sqlite3.Connection) -> None:
    for (line,) in connection.execute(f"PRAGMA integrity_check({_MAX_PAGES})"):
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
            report.add("opening", where, f"starts at {start}, after the head {head}")
        last = number, start


def _head(connection: sqlite3.Connection) -> int:
    """Return the head of the log, according to its rooms and its events."""
    (events,) = connection.execute("SELECT max(seq) FROM event").fetchone()
    (rooms,) = connection.execute("SELECT max(head) FROM room WHERE typeof(head) = 'integer'").fetchone()
    return max(events or 0, rooms or 0)


class _Last(NamedTuple):
    """The position and the number of a room's last event so far."""

    seq: int
    n: int


class EventCheck:
    """Checks rooms and their events: each by its checksum, and by the event before it.

    Parameters
    ----------
    report : Report
    connection : sqlite3.Connection
    """

    # Done when `__init__` returns. By the key of a room: `_names` has its name, `_heads` the (head, n) of its row, and
    # `_last` the last event that was checked.

    def __init__(self, report: Report, connection: sqlite3.Connection) -> None:
        self._report = report
        self._connection = connection
        self._decoder = RecordDecoder()
        self._names: dict[Any, str] = {}
        self._heads: dict[Any, tuple[int, int]] = {}
        self._last: dict[Any, _Last] = {}
        self._read_rooms()
        for row in read_table(connection, f"room, {COLUMNS}", "event", "seq"):
            if isinstance(row, Gap):
                report.add("page", _range(row), f"cannot be read: {row.error}")
            else:
                self._event(row[1], EventRow(*row[2:]))
        self._ends()

    def _read_rooms(self) -> None:
        for row in read_table(self._connection, ROOM_COLUMNS, "room", "id"):
            if isinstance(row, Gap):
                self._report.add("page", "rooms", f"some cannot be read: {row.error}")
                continue
            self._report.rooms += 1
            row = row[1:]  # without the key
            name = row[1].decode(errors="replace") if isinstance(row[1], bytes) else repr(row[1])
            self._names[row[0]] = name
            if not is_sound(row):
                self._report.add("room", f"room {name!r}", "its row does not match its checksum")
            else:
                self._heads[row[0]] = row[2], row[3]

    def _event(self, key: Any, row: EventRow) -> None:
        report = self._report
        report.events += 1
        if key not in self._names:
            report.add("reference", f"event {row.seq}", f"belongs to no room: there is none with the number {key!r}")
            return
        name = self._names[key]
        where = f"room {name!r}, event {row.seq}"
        record = self._decoder.intact(self._connection, name, row)
        if record is None:
            report.add("event", where, "does not match its checksum, and reads as $corrupt")
            return
        size = stored_size(record)
        report.bytes += size
        report.attachments += len(record.attachments)
        if row.size != size or (record.parts is None and len(record.attachments) != row.attachments):
            claimed = f"claims {row.size!r} bytes and {row.attachments!r} attachments"
            report.add("event", where, f"{claimed}, but has {size} and {len(record.attachments)}")
        self._compare(key, where, row)

    def _compare(self, key: Any, where: str, row: EventRow) -> None:
        """Compare the numbers of an event with those of the one before it."""
        last = self._last.get(key, _Last(0, 0))
        missing = row.n - last.n - 1
        if not 0 <= missing < row.seq - last.seq:
            self._report.add("number", where, f"is number {row.n}, after number {last.n} at {last.seq}")
        elif missing:
            self._report.trimmed += missing
        if (row.prev == last.seq) != (missing == 0) and not (last.seq == 0 and row.prev > 0):
            self._report.add("prev", where, f"follows {row.prev}, but the event before it in the file is {last.seq}")
        self._last[key] = _Last(row.seq, row.n)

    def _ends(self) -> None:
        """Compare the last event of each room with its row."""
        for key, (head, n) in self._heads.items():
            last = self._last.get(key, _Last(0, 0))
            if head >= last.seq and n < last.n:
                self._report.add("room", f"room {self._names[key]!r}", f"ends with number {n}, but has number {last.n}")
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


def _parts(report: Report, connection: sqlite3.Connection) -> None:
    """Check the parts of events by their checksums. Those without an event belong to an upload that is under way."""
    held: dict[int, list[int]] = {}
    for row in read_table(connection, "key, number, crc, data", "part", "rowid"):
        if isinstance(row, Gap):
            report.add("page", "parts of events", f"some cannot be read: {row.error}")
            continue
        _, key, number, crc, data = row
        if (type(key), type(number), type(data)) != (int, int, bytes) or part_crc(key, number, data) != crc:
            report.add("part", f"part {number!r} under key {key!r}", "does not match its checksum")
        else:
            held.setdefault(key, []).append(len(data))
    rows = connection.execute(
        "SELECT seq, -attachments, size, length(data) FROM event WHERE attachments < 0"
    ).fetchall()
    for seq, key, size, rest in rows:
        if sum(held.get(key, ())) != size - rest:
            report.add("part", f"event {seq}", f"has {sum(held.get(key, ()))} bytes of parts, not {size - rest}")


def _values(report: Report, connection: sqlite3.Connection) -> None:
    names = dict(connection.execute("SELECT id, name FROM room").fetchall())
    for room, key, record in check_values(connection, names):
        if record is None:
            where = f"room {names.get(room, room)!r}, key {key!r}"
            report.add("value", where, "the retained value does not match its checksum, or is of no room")


def _subscriptions(report: Report, connection: sqlite3.Connection) -> None:
    head = _head(connection)
    rows = connection.execute(
        "SELECT id, user, room, key, position FROM subscription WHERE epoch = ? AND position > ?", (report.epoch, head)
    )
    for id, user, room, key, position in rows:
        where = f"subscription {id} ({key!r} of {user!r} in {room!r})"
        report.add("reference", where, f"is at {position}, but the head of the log is {head}")


def _policies(report: Report, connection: sqlite3.Connection) -> None:
    for room, policy in read_policies(connection):
        if policy is None:
            report.add("row", f"policy of room {room!r}", "does not match its checksum")


def _groups(report: Report, connection: sqlite3.Connection) -> None:
    for table, where in damaged_rows(connection):
        report.add("row", f"{table}, {where}", "does not match its checksum")


def _ids(report: Report, connection: sqlite3.Connection) -> None:
    head = _head(connection)
    for table, key in (("known", "last"), ("settled", "part")):
        for number, keys in connection.execute(f"SELECT {key}, keys FROM {table}"):  # noqa: S608 -- fixed text
            decoded = decode_keys(keys, quiet=True)
            if not decoded or max(decoded.values()) > head or min(decoded.values()) < 1:
                report.add("row", f"{table} {number}", "the ids of appends in it are damaged")


def _invalid_rows(report: Report, connection: sqlite3.Connection) -> None:
    for table, count in count_invalid_rows(connection).items():
        if count:
            report.add("row", f"table {table}", f"{count} rows have values of the wrong type, or out of bounds")


def lines(report: Report) -> Iterator[str]:
    """Yield the lines of a report."""
    yield (
        f"{report.path}: format {report.format}, {report.rooms:,} rooms, {report.events:,} events of {report.bytes:,} "
        f"bytes, {report.attachments:,} attachments; {report.trimmed:,} events were trimmed"
    )
    for finding in report.findings:
        yield f"{finding.kind}: {finding.where}: {finding.what}"
    if report.damaged > len(report.findings):
        yield f"... and {report.damaged - len(report.findings):,} more"
    yield f"{report.damaged:,} damaged" if report.damaged else "nothing is damaged"
