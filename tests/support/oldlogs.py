"""Log files as older versions wrote them."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

_PAGES = "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"

_COMMON = """
CREATE TABLE meta(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE room(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, head INTEGER NOT NULL DEFAULT 0);
CREATE TABLE event(
    seq INTEGER PRIMARY KEY, room INTEGER NOT NULL, prev INTEGER NOT NULL, ts INTEGER NOT NULL,
    name TEXT NOT NULL, data BLOB NOT NULL, attachments INTEGER NOT NULL, sender BLOB NOT NULL, user TEXT NOT NULL,
    id TEXT, size INTEGER NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX event_room ON event(room, seq, size);
CREATE TABLE stretch(seq INTEGER PRIMARY KEY, ahead INTEGER NOT NULL);
CREATE TABLE attachment(
    seq INTEGER NOT NULL, num INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(seq, num));
CREATE TABLE known(
    last INTEGER PRIMARY KEY, ts INTEGER NOT NULL, count INTEGER NOT NULL, keys BLOB NOT NULL);
CREATE TABLE run(
    number INTEGER PRIMARY KEY, ts INTEGER NOT NULL, count INTEGER NOT NULL, hashes BLOB NOT NULL,
    commits BLOB NOT NULL);
CREATE TABLE settled(part INTEGER PRIMARY KEY, keys BLOB NOT NULL);
CREATE TABLE note(key TEXT PRIMARY KEY, value BLOB NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX note_until ON note(until);
PRAGMA application_id=1381256531;
"""

_READERS = {
    1: """
CREATE TABLE cursor(
    user TEXT NOT NULL, room TEXT NOT NULL, name TEXT NOT NULL, epoch TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY(user, room, name)) WITHOUT ROWID;
INSERT INTO cursor VALUES('ann', 'lab', 'notes', 'e1', 3);
INSERT INTO cursor VALUES('token:kernel', 'lab', 'a/train.ipynb', 'e1', 5);
INSERT INTO cursor VALUES('token:kernel', 'lab', 'kernel:1b4e28ba-2fa1-41d2-983f-0016d3cca427', 'e1', 5);
INSERT INTO cursor VALUES('ann', 'lab', 'kernel:of my own', 'e1', 4);
PRAGMA user_version=1;
""",
    2: """
CREATE TABLE subscription(
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, room TEXT NOT NULL, key TEXT NOT NULL, label TEXT NOT NULL, path BLOB,
    epoch TEXT NOT NULL, position INTEGER NOT NULL, used INTEGER NOT NULL, ended INTEGER, inherited INTEGER NOT NULL);
INSERT INTO subscription VALUES(1, 'ann', 'lab', 'notes', 'notes', NULL, 'e1', 3, 1800000000000, NULL, 0);
PRAGMA user_version=2;
""",
}

_TS = 1_800_000_000_000
_FORMAT_3 = Path(__file__).parents[1] / "log" / "files" / "format3.sql"


def write_old_log(path: Path, version: int) -> None:
    """Write a log file of format 1 or 2: rooms ``lab`` (seqs 2, 3, 5, 7), ``other`` (4, 6) and ``gone`` (trimmed).

    Event 1 (the first of ``lab``) and event 8 (the only one of ``gone``) are trimmed. Event 5 has two attachments,
    event 7 has an id.
    """
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_PAGES + _COMMON + _READERS[version])
        connection.executemany("INSERT INTO meta VALUES(?, ?)", [("id", "old"), ("epoch", "e1"), ("clean", 1)])
        connection.executemany("INSERT INTO room VALUES(?, ?, ?)", [(1, "lab", 1), (2, "other", 0), (3, "gone", 8)])
        prevs = {1: 1, 2: 0}
        for seq, room in ((2, 1), (3, 1), (4, 2), (5, 1), (6, 2), (7, 1)):
            parts = (b"first", b"") if seq == 5 else ()
            connection.execute("INSERT INTO event VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", _row(seq, room, prevs[room], parts))
            connection.executemany("INSERT INTO attachment VALUES(?,?,?)", [(seq, i, p) for i, p in enumerate(parts)])
            prevs[room] = seq
        connection.commit()


def _row(seq: int, room: int, prev: int, parts: tuple[bytes, ...]) -> tuple[object, ...]:
    data, sender, user, id = b'{"i":%d}' % seq, b'{"user":"ann"}', "ann", "x" if seq == 7 else None
    crc = zlib.crc32(b"".join((b"\0".join((b"tick", user.encode(), (id or "").encode())), sender, data, *parts)))
    return (seq, room, prev, _TS + seq, "tick", data, len(parts), sender, user, id, len(data), crc)


def write_format_3(path: Path) -> None:
    """Write a log file of format 3, as its version made it; see tests/log/files/format3.sql.

    Room ``lab`` has four events of ann (ids of a client), and event 5 of bob, with an attachment and an id of his own;
    ``other`` has event 6; ``dropped`` had event 7 and was deleted. There is a subscription and a note.
    """
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_PAGES + _FORMAT_3.read_text())
