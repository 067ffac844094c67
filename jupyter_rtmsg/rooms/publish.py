"""An event on its way to the hub, encoded once: for one message, or in parts (docs/wire.md, "Parts")."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_rtmsg.wire.data import encode_json

from .receipt import Receipt

_OVERHEAD = 32  # bytes of a packet's header
_RESTAGES = 5  # times that the hub may have lost the parts of an event


class Publish:
    """One event on its way, encoded but for the id of its ACK. The outbox owns it.

    Parameters
    ----------
    room : str
    json : bytes
        The command ``publish`` for one message.
    attachments : tuple of bytes
    receipt : Receipt
    volatile : bool
    fields : tuple of int, optional
        Where the field ``data`` begins in ``json``, where its value begins, and where it ends. An event without it
        goes in one message only.

    Attributes
    ----------
    key : tuple of str
        Room and id; the hub stores one event per key.
    size : int
        Bytes of the message.
    sent : bool
        Whether it was sent over the present connection, and waits for its ACK.
    upload : str or None
        The name under which the hub has all of its parts, over the present connection.
    """

    __slots__ = (
        "_fields", "_restages", "attachments", "json", "key", "receipt", "sent", "size", "upload", "volatile"
    )  # fmt: skip

    def __init__(
        self,
        room: str,
        json: bytes,
        attachments: tuple[bytes, ...],
        receipt: Receipt,
        volatile: bool,
        fields: tuple[int, int, int] | None = None,
    ) -> None:
        self.key = room, receipt.id
        self.json = json
        self.attachments = attachments
        self.receipt = receipt
        self.volatile = volatile
        self.size = len(json) + sum(map(len, attachments)) + _OVERHEAD
        self.sent = False
        self.upload: str | None = None
        self._fields = fields
        self._restages = 0

    @property
    def may_be_cut(self) -> bool:
        """Whether it may be sent in parts."""
        return self._fields is not None

    @property
    def sizes(self) -> list[int]:
        """The bytes of its data's JSON, and of each attachment."""
        _, start, end = self._fields or (0, 0, 0)
        return [end - start, *map(len, self.attachments)]

    def part(self, number: int, size: int) -> bytes:
        """Return a part of its data, of ``size`` bytes if it is not the last one."""
        _, start, end = self._fields or (0, 0, 0)
        first, last = number * size, (number + 1) * size
        pieces, at = [], 0
        for segment in (memoryview(self.json)[start:end], *(memoryview(each) for each in self.attachments)):
            low, high = max(first - at, 0), min(last - at, len(segment))
            if low < high:
                pieces.append(segment[low:high])
            at += len(segment)
        return b"".join(pieces)

    def commit(self) -> bytes:
        """Return the command ``publish`` for the upload that has its parts."""
        field, _, end = self._fields or (0, 0, 0)
        told = encode_json({"parts": self.upload, "sizes": self.sizes})[1:-1]
        return self.json[:field] + b"," + told + self.json[end:]

    def same(self, other: Publish) -> bool:
        """Return whether another event has the same name and data."""
        return self.json == other.json and self.attachments == other.attachments

    # --- called by the outbox

    def send(self, under_way: bool) -> None:
        """Note that it was sent over the present connection, or has to be sent again."""
        self.sent = under_way

    def staged(self, upload: str | None) -> None:
        """Note the upload that has all of its parts; None if there is none on this connection."""
        self.upload = upload

    def restage(self) -> bool:
        """Note that the hub has lost its parts; return False if that was too often."""
        self.upload = None
        self._restages += 1
        return self._restages <= _RESTAGES


def data_fields(before: Sequence[bytes], name: bytes, json: bytes) -> tuple[int, int, int]:
    """Return where the field ``data`` begins, where its value begins and where it ends, after the fields before it."""
    field = sum(map(len, before))
    return field, field + len(name), field + len(name) + len(json)
