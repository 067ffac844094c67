"""Sends the output of a cell to a room as well, so that it is not lost when nobody looks.

All that a kernel publishes passes its I/O thread: text, displays and their updates, results, tracebacks, and at last
the status "idle". The hook sits there, since from the thread of the cell displays of other threads, tracebacks and the
result are not seen. A message names its request, so a capture takes those of its own cell.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from jupyter_rtmsg.errors import RtmsgError, WrongCall
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.rooms.notify import DONE, FAILED

from .outputs import Message, Outputs

OUTPUT = "output"
"""The event of a captured output: ``{"run", "outputs": [...], "omitted"?}``."""

_EVERY = 0.1  # seconds between two events
_RATE = 1_000_000  # bytes per second
_BATCH = 200_000  # bytes of an event, but for one large output
_LARGEST = 900_000  # bytes of one output: with base64 it still fits into a message
_WAITING = 4_000_000  # bytes that wait to be sent; what comes then is omitted

_DELIMITER = b"<IDS|MSG>"

logger = throttled_logger(__name__)


class Poster(Protocol):
    """What emits: a `Client`."""

    def post(self, room: str, event: str, data: Any = None) -> object:
        """Emit an event without waiting."""


class Published(NamedTuple):
    """A message as the I/O thread gets it: its parts are JSON."""

    header: bytes
    parent: bytes
    content: bytes

    @classmethod
    def of(cls, parts: Sequence[Any]) -> Published | None:
        """Find the message among the parts of a transmission; None if there is none."""
        for at, part in enumerate(parts):
            if part == _DELIMITER and len(parts) > at + 5:
                return cls(bytes(parts[at + 2]), bytes(parts[at + 3]), bytes(parts[at + 5]))
        return None


class Hook:
    """Sees what an I/O thread publishes, while there are captures.

    Parameters
    ----------
    io_thread : ipykernel.iostream.IOPubThread
    """

    def __init__(self, io_thread: Any) -> None:
        self._io_thread = io_thread
        self._send = io_thread.send_multipart
        self._captures: tuple[Capture, ...] = ()

    def add(self, capture: Capture) -> None:
        """Show a capture all that is published from now on."""
        self._captures += (capture,)
        self._io_thread.send_multipart = self._see

    def remove(self, capture: Capture) -> None:
        """Show it no more; without captures the hook is taken out."""
        self._captures = tuple(each for each in self._captures if each is not capture)
        if not self._captures:
            del self._io_thread.send_multipart

    def _see(self, parts: Sequence[Any], *args: Any, **options: Any) -> Any:
        published = Published.of(parts)
        for capture in self._captures if published else ():
            capture.take(published)  # type: ignore[arg-type]
        return self._send(parts, *args, **options)


class Capture:
    """Takes the messages of one request, and emits them in batches: ten a second, and a megabyte a second.

    `take` is called on the threads that publish; it never waits. A thread of its own emits, and ends with the cell.
    ``_waiting`` and ``_omitted`` belong to ``_changed``.

    Parameters
    ----------
    request : str
        The id of the execute request.
    room : str
    run : str
        What the events call the cell.
    poster : Poster
    ended : callable
        Called with this capture when the cell has ended.
    """

    def __init__(self, request: str, room: str, run: str, poster: Poster, ended: Callable[[Capture], None]) -> None:
        self._request = request.encode()
        self._room, self._run, self._poster = room, run, poster
        self._ended = ended
        self._changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._omitted = 0
        self._is_over = False
        self._began = time.monotonic()
        self._failure: dict[str, str] | None = None

    def begin(self) -> None:
        """Begin to emit."""
        threading.Thread(target=self._work, name=f"rtmsg-capture-{self._room}", daemon=True).start()

    def take(self, published: Published) -> None:
        """Take a published message, if it belongs to the cell."""
        if self._request not in published.parent or self._is_over:
            return
        message = Message.of(published.header, published.content)
        if message is None:
            return
        with self._changed:
            if message.is_end:
                self._is_over = True
            elif message.size > _LARGEST or (self._bytes + message.size > _WAITING and not message.is_error):
                self._omitted += 1
            else:
                self._bytes += message.size
                self._waiting.append(message)
            self._changed.notify()
        if self._is_over:
            self._ended(self)

    def _work(self) -> None:
        due = 0.0
        while self._wait(due):
            outputs, omitted, size = self._next()
            if outputs or omitted:
                self._post(OUTPUT, {"outputs": outputs, **({"omitted": omitted} if omitted else {})})
            due = time.monotonic() + max(_EVERY, size / _RATE)
        self._tell_end()

    def _wait(self, due: float) -> bool:
        """Wait until there is something to emit, and until it is due. Return False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._omitted or self._is_over)
            # After the cell has ended nothing new comes: what waits is still emitted at the rate.
            self._changed.wait_for(lambda: self._is_over and not self._bytes, max(0.0, due - time.monotonic()))
            return bool(self._waiting or self._omitted)

    def _next(self) -> tuple[list[dict[str, Any]], int, int]:
        """Take the outputs of one event; return them, the number of omitted ones, and their bytes."""
        outputs, size = Outputs(), 0
        with self._changed:
            while self._waiting and (not size or size + self._waiting[0].size <= _BATCH):
                message = self._waiting.popleft()
                size += message.size
                self._failure = message.failure or self._failure
                outputs.add(message)
            self._bytes -= size
            omitted, self._omitted = self._omitted, 0
        return outputs.list, omitted, size

    def _tell_end(self) -> None:
        seconds = round(time.monotonic() - self._began, 3)
        if self._failure is None:
            self._post(DONE, {"seconds": seconds})
        else:
            self._post(FAILED, {"seconds": seconds, "error": self._failure})

    def _post(self, event: str, data: Mapping[str, Any]) -> None:
        try:
            self._poster.post(self._room, event, {"run": self._run, **data})
        except (RtmsgError, RuntimeError) as error:
            logger.warning("output of the cell %s could not be sent to room %r: %s", self._run, self._room, error)


_hooks: dict[int, Hook] = {}


def capture(shell: Any, poster: Poster, room: str) -> None:
    """Send the output of the running cell to a room, from now on until it has ended.

    Parameters
    ----------
    shell : InteractiveShell
    poster : Poster
    room : str
        It need not be joined.

    Raises
    ------
    WrongCall
        Outside of ipykernel.
    """
    io_thread = getattr(getattr(shell, "kernel", None), "iopub_thread", None)
    if not hasattr(io_thread, "send_multipart"):
        raise WrongCall("%%rtmsg capture needs a notebook whose kernel is ipykernel")
    assert io_thread is not None
    hook = _hooks.setdefault(id(io_thread), Hook(io_thread))
    request = shell.get_parent()["header"]["msg_id"]
    one = Capture(request, room, f"In [{shell.execution_count}]", poster, hook.remove)
    hook.add(one)
    one.begin()
