"""The link of a widget to its pages: what is sent at a limited rate, and what the pages request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from jupyter_rtmsg.errors import RtmsgError

from .throttle import INTERVAL, Throttle

MAX_REQUESTS = 64
"""Requests of the pages of one widget that may wait for the hub at once."""

Message: TypeAlias = "Mapping[str, Any]"
Request: TypeAlias = "Callable[[Message], str | Callable[[], str]]"
"""Handles a request on the thread of the kernel's messages, and returns the outcome in words, or what waits for it."""


class Pages(Protocol):
    """A widget, as far as its link needs it."""

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message to all pages that show the widget."""

    def on_msg(self, callback: Callable[[Any, Any, Any], None]) -> None:
        """Call a function with each message of a page."""


class PageLink:
    """Connects a widget with the pages that show it.

    Three threads use it: any thread wakes it, its own thread flushes, and one takes requests. That is the kernel's main
    thread, between two cells; in JupyterLab with ipykernel 7 it is that of a subshell, while cells run. A request that
    has to wait for the hub does so on a thread of its own, since cells must not wait.

    A request is a message ``{"kind", "id", ...}``; it is answered by ``{"kind": "outcome", "id", "ok", "text"}``. The
    kind ``ready`` is answered at once, so that a page can tell whether the kernel is busy.

    Parameters
    ----------
    widget : Pages
    flush : callable
        Sends what is new, on a thread of its own; returns the number of items that it sent.
    requests : mapping
        The kinds of requests, with what handles them. They may raise `RtmsgError` or `ValueError`.
    interval : float
        The shortest time between two flushes, in seconds.
    """

    # `_waiting` counts the requests that wait for the hub; `_lock` guards it.

    def __init__(
        self,
        widget: Pages,
        flush: Callable[[], int],
        requests: Mapping[str, Request],
        interval: float = INTERVAL,
    ) -> None:
        self._widget = widget
        self._requests = dict(requests)
        self._throttle = Throttle(flush, interval)
        self._lock = threading.Lock()
        self._waiting = 0
        widget.on_msg(self._received)

    def start(self) -> None:
        """Begin to flush, at once."""
        self._throttle.start()
        self._throttle.wake()

    def wake(self, after: float = 0.0) -> None:
        """Request a flush, at the latest in this number of seconds. Cheap, and safe to call from any thread."""
        self._throttle.wake(after)

    def close(self) -> None:
        """End the thread that flushes."""
        self._throttle.close()

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message to the pages."""
        self._widget.send({"kind": kind, **fields})

    # --- on the thread of the kernel's messages

    def _received(self, _: object, message: Message, __: object) -> None:
        kind, id = message.get("kind"), message.get("id")
        if kind == "ready":
            self.send("ready", id=id)
            return
        request = self._requests.get(str(kind))
        if request is None:
            return
        try:
            outcome = request(message)
        except (RtmsgError, ValueError, KeyError, TypeError) as error:
            self._answer(id, _told(error), ok=False)
        else:
            self._finish(id, outcome)

    def _finish(self, id: Any, outcome: str | Callable[[], str]) -> None:
        if isinstance(outcome, str):
            self._answer(id, outcome, ok=True)
            return
        with self._lock:
            full = self._waiting >= MAX_REQUESTS
            self._waiting += not full
        if full:
            text = f"{MAX_REQUESTS} requests of this view wait for the hub already. Try again when they are answered"
            self._answer(id, text, ok=False)
        else:
            threading.Thread(target=self._report, args=(id, outcome), name="rtmsg request", daemon=True).start()

    # --- on a thread of the request

    def _report(self, id: Any, outcome: Callable[[], str]) -> None:
        try:
            self._answer(id, outcome(), ok=True)
        except (RtmsgError, ValueError, TimeoutError, RuntimeError) as error:
            self._answer(id, _told(error), ok=False)
        finally:
            with self._lock:
                self._waiting -= 1
        self.wake()

    def _answer(self, id: Any, text: str, *, ok: bool) -> None:
        if id is not None:
            self.send("outcome", id=id, ok=ok, text=text)


def _told(error: Exception) -> str:
    if isinstance(error, (KeyError, TypeError)) and not isinstance(error, RtmsgError):
        return f"the page sent an incomplete request ({error}): load the page again"
    return str(error)
