"""A deletion that was answered stays, also if the server is killed while the room is being removed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from support.hub import TOKEN, HubServer
from support.patience import eventually

import jupyter_rtmsg as rt


def events_in(path: Path) -> int:
    with closing(sqlite3.connect(path.as_uri() + "?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM event").fetchone()[0])


def test_a_deleted_room_stays_deleted_when_the_server_is_killed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    server = HubServer(f"sqlite:///{path}").start()
    try:
        with rt.Client(server.url, TOKEN) as hub:
            lab, other = hub.join("lab", as_="reader"), hub.join("other")
            kept = other.emit("kept", 1)
            receipts = [lab.emit("tick", i, wait=False) for i in range(4000)]
            last = receipts[-1].result(30)
            assert lab.delete() == 4000
            server.kill()
        server.start()
        with rt.Client(server.url, TOKEN) as hub:
            assert [event.seq for event in hub.join("other").history()] == [kept]
            lab = hub.join("lab", as_="reader")
            assert (len(lab.history()), lab.missed_count) == (0, 0)
            again = lab.emit("tick", "new")
            assert again is not None
            assert last is not None
            assert again > last
            assert [event.data for event in lab.history()] == ["new"]
        eventually(lambda: events_in(path) == 2)
    finally:
        server.kill()
