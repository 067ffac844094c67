"""Sending an event in parts: those that do not fit into a message (docs/wire.md, "Parts")."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from jupyter_rtmsg.client.socket import SocketClient
from jupyter_rtmsg.errors import CommandError, RtmsgError, TooLarge
from jupyter_rtmsg.wire.data import encode_json

from .commands import NOT_NOW, reply_of
from .publish import Publish

FIELDS = 4_096
"""Bytes of a message that the hub reserves for its fields."""

logger = logging.getLogger(__name__)
_PART = 700_000  # bytes: as base64, as long-polling sends them, they fit into a message of 1 MB
_LEAST, _MOST_PARTS = 1_024, 1_000  # bytes of a part; parts of an event (docs/wire.md)
_WINDOW = 4  # parts under way: enough to keep the hub's disk busy, few enough not to fill a slow connection
_PAUSE = 0.25  # seconds after a refusal that says "not now"
_WAITED_FOR = NOT_NOW | {"limit"}  # a limit on what one user has staged: other uploads of this user end soon


class _Upload:
    """The upload of one event: how many parts were sent and acknowledged, and the first refusal of the window."""

    def __init__(self, publish: Publish, name: str, part: int) -> None:
        self.publish, self.name, self.part = publish, name, part
        self.size = sum(publish.sizes)
        self.of = -(-self.size // part)
        self.next = self.acknowledged = self.under_way = 0
        self.refusal: CommandError | None = None

    def request(self) -> tuple[bytes, bytes]:
        """Return the command for the next part, and the part."""
        fields = {"room": self.publish.key[0], "upload": self.name, "part": self.next, "of": self.of, "size": self.size}
        data = self.publish.part(self.next, self.part)
        json = b'["stage",%b,"data":{"_placeholder":true,"num":0}}]' % encode_json(fields)[:-1]
        self.next += 1
        self.under_way += 1
        return json, data

    def answered(self, error: CommandError | None) -> None:
        """Take the answer for a part."""
        self.under_way -= 1
        if error is None:
            self.acknowledged += 1
            self.publish.receipt.moved(self.acknowledged / self.of)
        elif self.refusal is None:  # the refusals of the parts behind it follow from it
            self.refusal = error

    def go_back(self) -> CommandError | None:
        """Go on after the last part that the hub has, and return what refused the one after it."""
        self.next = self.acknowledged
        error, self.refusal = self.refusal, None
        return error


class Uploads:
    """Sends the first event of the outbox in parts, if it does not fit into a message. One event at a time.

    *idle*, or *busy* with an upload: it is sending, or pauses after a refusal. The outbox owns it. `error` is
    thread-safe; all else runs on the I/O loop.

    Parameters
    ----------
    socket : SocketClient
    ready : callable
        Called with an event when the hub has all of its parts, or, with an error, refuses them.
    max_event : callable
        Returns the size of the largest event in parts; 0 if the hub takes none, None if it is not known.

    Attributes
    ----------
    busy : bool
        Whether an event is being sent in parts.
    """

    def __init__(
        self,
        socket: SocketClient,
        ready: Callable[[Publish, RtmsgError | None], None],
        max_event: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._socket = socket
        self._ready = ready
        self._max_event = max_event
        self.busy = False
        self._upload: _Upload | None = None
        self._pausing: asyncio.TimerHandle | None = None
        self._names = map("%d".__mod__, count(1))

    @property
    def current(self) -> Publish | None:
        """The event that is being sent in parts."""
        return self._upload.publish if self._upload else None

    def error(self, publish: Publish) -> TooLarge | None:
        """Return why an event that does not fit into a message cannot be sent in parts; None if it can. Thread-safe."""
        limit, most = self._socket.max_payload, self._max_event()
        what = f"the event has {publish.size:,} bytes"
        if not publish.may_be_cut:
            return TooLarge(
                f"{what}; a message may have {limit:,} (fewer over long-polling), and a volatile event, or one "
                "with retain=, goes in one message. Send where it can be found, or emit it without them"
            )
        if most == 0:
            return TooLarge(f"{what}; a message may have {limit:,}, and this hub takes no parts. Send where it is")
        if most is not None and publish.size > most:
            return TooLarge(
                f"{what}; an event may have {most:,}, also in parts. Send where it can be found, or several"
            )
        return None

    def begin(self, publish: Publish) -> None:
        """Send an event in parts. Its upload may be complete already, if the hub has refused the event for now."""
        if publish.upload is not None:
            self._ready(publish, None)
            return
        upload = _Upload(publish, next(self._names), self._part())
        if upload.of > _MOST_PARTS:
            what = f"the event has {publish.size:,} bytes, and this connection takes parts of {upload.part:,}"
            self._ready(publish, TooLarge(f"{what}, at most {_MOST_PARTS:,}. Send where it can be found, or several"))
            return
        self._upload, self.busy = upload, True
        self.go_on()

    def _part(self) -> int:
        """Return the bytes of a part: fewer where a proxy has refused the body of a request of long-polling."""
        part = min(_PART, (self._socket.max_payload - FIELDS) * 3 // 4)
        while part > _LEAST and not self._socket.fits(part + FIELDS, (bytes(part),)):
            part //= 2
        return part

    def go_on(self) -> None:
        """Send parts while the connection accepts them."""
        upload = self._upload
        while (
            upload is not None
            and upload is self._upload
            and self._pausing is None
            and upload.refusal is None
            and upload.next < upload.of
            and upload.under_way < _WINDOW
            and self._socket.can_write
        ):
            json, data = upload.request()
            self._socket.request(json, (data,), partial(self._answer, upload))

    def stop(self) -> None:
        """Forget the upload: the connection was lost, and the hub has dropped it."""
        self._end()
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None

    def _answer(self, upload: _Upload, answer: Any) -> None:
        if isinstance(answer, BaseException) or upload is not self._upload:
            return  # the connection was lost; `stop` follows, and the event is sent again
        try:
            reply_of(answer)
        except CommandError as error:
            upload.answered(error)
        else:
            upload.answered(None)
        if upload.acknowledged == upload.of:
            self._end()
            upload.publish.staged(upload.name)
            self._ready(upload.publish, None)
        elif upload.refusal is not None and not upload.under_way:
            self._refused(upload)
        else:
            self.go_on()

    def _refused(self, upload: _Upload) -> None:
        error = upload.go_back()
        assert error is not None
        if error.code == "not_staged" and upload.publish.restage():
            self._upload = _Upload(upload.publish, next(self._names), upload.part)
        elif error.code not in _WAITED_FOR:
            self._end()
            self._ready(upload.publish, error)
            return
        logger.info("the parts of an event wait: the hub says %s (%s)", error.code, error)
        self._pausing = asyncio.get_running_loop().call_later(_PAUSE, self._resume)

    def _end(self) -> None:
        self._upload, self.busy = None, False

    def _resume(self) -> None:
        self._pausing = None
        self.go_on()
