"""What a page does to reach the hub."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, Request, WebSocket
from support.jupyter import DEADLINE


class Wire:
    """The connections of a page to the hub, and what it asks for before."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sockets: list[WebSocket] = []
        self.asked = 0
        self.pongs = 0
        page.on("websocket", self._opened)
        page.on("request", self._requested)

    @property
    def open(self) -> list[WebSocket]:
        return [socket for socket in self.sockets if not socket.is_closed()]

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait, and let the page's events be seen meanwhile."""
        for _ in range(int(DEADLINE / 0.05)):
            if condition():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"not within {DEADLINE:g} s: {what}")

    def forget(self) -> None:
        """Count anew. Of a connection that ends with its page no end is told."""
        self.sockets, self.asked = [], 0

    def beat(self) -> None:
        """Wait for as many heartbeats as there are in a rest, and some more."""
        until = self.pongs + 8
        self.wait(lambda: self.pongs >= until, "heartbeats")

    def _opened(self, socket: WebSocket) -> None:
        if "/socket.io/" in socket.url:
            self.sockets.append(socket)
            socket.on("framesent", self._sent)

    def _sent(self, frame: str | bytes) -> None:
        self.pongs += frame == "3"

    def _requested(self, request: Request) -> None:
        self.asked += "/rtmsg/api/status" in request.url
