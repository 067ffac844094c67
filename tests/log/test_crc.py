"""Checksums change with every column."""

from __future__ import annotations

from typing import Any

from jupyter_rtmsg.log.crc import event_crc, event_crc_of_2, room_crc

EVENT: dict[str, Any] = {
    "seq": 9, "prev": 7, "ts": 1000, "n": 3, "room": "room", "name": "name", "user": "user", "event_id": "id",
    "sender": b"sender", "data": b"data", "attachments": (b"one", b""),
}  # fmt: skip


def test_the_checksum_of_an_event_covers_all_of_it() -> None:
    changes = [
        {"seq": 8}, {"prev": 6}, {"ts": 1001}, {"n": 4}, {"room": "rooms"}, {"name": "nam"}, {"user": "uses"},
        {"event_id": None}, {"event_id": ""}, {"event_id": "None"}, {"sender": b"sendes"}, {"data": b"date"},
        {"attachments": (b"one",)}, {"attachments": (b"", b"one")}, {"attachments": (b"onf", b"")}, {"attachments": ()},
        {"name": "nameu", "user": "ser"}, {"sender": b"senderd", "data": b"ata"}, {"seq": 97, "prev": 7},
    ]  # fmt: skip
    sums = {event_crc(**{**EVENT, **change}) for change in changes}
    assert len(sums | {event_crc(**EVENT)}) == len(changes) + 1


def test_the_checksum_of_an_older_event_covers_its_returned_fields() -> None:
    base = ("name", "user", "id", b"sender", b"data", (b"one", b"two"))
    changes = [("n", 0), ("u", 1), (None, 2), (b"s", 3), (b"d", 4), ((b"one", b"twO"), 5), ((b"one",), 5)]
    sums = {event_crc_of_2(*base[:at], value, *base[at + 1 :]) for value, at in changes}  # type: ignore[arg-type]
    assert len(sums | {event_crc_of_2(*base)}) == len(changes) + 1


def test_the_checksum_of_a_room_covers_its_row() -> None:
    rows = {
        (1, "lab", 5, 4, "ann", 7), (2, "lab", 5, 4, "ann", 7), (1, "lac", 5, 4, "ann", 7), (1, "lab", 4, 4, "ann", 7),
        (1, "lab", 5, 3, "ann", 7), (1, "lab", 5, 4, "bob", 7), (1, "lab", 5, 4, "ann", 8), (1, "laba", 5, 4, "nn", 7),
    }  # fmt: skip
    assert len({room_crc(*row) for row in rows}) == len(rows)
