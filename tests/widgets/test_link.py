"""What pages request of a widget, and what they are answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.jupyter import wait_until

from jupyter_rtmsg.errors import Forbidden
from jupyter_rtmsg.widgets import link
from jupyter_rtmsg.widgets.link import MAX_REQUESTS, Message, PageLink


class Page:
    """A widget whose pages are the test."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.say: Callable[[dict[str, Any]], None] = lambda message: None

    def send(self, content: Any, buffers: Any = None) -> None:
        self.heard.append(content)

    def on_msg(self, callback: Callable[[Any, Any, Any], None]) -> None:
        self.say = lambda message: callback(None, message, [])


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def open_link(page: Page) -> Iterator[Callable[..., PageLink]]:
    made: list[PageLink] = []

    def make(**requests: Callable[[Message], Any]) -> PageLink:
        made.append(PageLink(page, lambda: 0, requests))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_request_is_answered_by_its_outcome(page: Page, open_link: Callable[..., PageLink]) -> None:
    open_link(now=lambda message: f"got {message['what']}", later=lambda message: lambda: "stored")
    page.say({"kind": "now", "id": "1", "what": "it"})
    assert page.heard == [{"kind": "outcome", "id": "1", "ok": True, "text": "got it"}]
    page.say({"kind": "later", "id": "2"})
    wait_until(lambda: len(page.heard) == 2, "the second is answered")
    assert page.heard[1] == {"kind": "outcome", "id": "2", "ok": True, "text": "stored"}


def test_what_is_refused_is_told_in_its_own_words(page: Page, open_link: Callable[..., PageLink]) -> None:
    def refuse() -> str:
        raise Forbidden("you may not manage this room")

    def bad(_: Message) -> str:
        raise ValueError("not JSON")

    open_link(bad=bad, late=lambda _: refuse)
    page.say({"kind": "bad", "id": "1"})
    page.say({"kind": "late", "id": "2"})
    wait_until(lambda: len(page.heard) == 2, "both are answered")
    assert [(heard["ok"], heard["text"]) for heard in page.heard] == [
        (False, "not JSON"),
        (False, "you may not manage this room"),
    ]


def test_a_page_learns_at_once_whether_the_kernel_reads(page: Page, open_link: Callable[..., PageLink]) -> None:
    open_link()
    page.say({"kind": "ready", "id": "1"})
    assert page.heard == [{"kind": "ready", "id": "1"}]


@pytest.mark.parametrize(
    "message", [{}, {"kind": "unknown"}, {"kind": 7}, {"kind": "emit"}, {"kind": "emit", "id": {}}]
)
def test_a_message_that_makes_no_sense_harms_nothing(
    page: Page, open_link: Callable[..., PageLink], message: dict[str, Any]
) -> None:
    open_link(emit=lambda message: str(message["data"].strip()))
    page.say(message)
    assert all(not heard["ok"] for heard in page.heard)
    page.say({"kind": "emit", "id": "1", "data": " x "})
    assert page.heard[-1]["text"] == "x"


def test_requests_that_wait_are_bounded(
    page: Page, open_link: Callable[..., PageLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "MAX_REQUESTS", 2)
    go = threading.Event()

    def wait() -> str:
        go.wait(30)
        return "done"

    open_link(wait=lambda _: wait)
    for id in ("1", "2", "3"):
        page.say({"kind": "wait", "id": id})
    assert [heard["id"] for heard in page.heard] == ["3"]
    assert "2 requests of this view wait for the hub already" in page.heard[0]["text"]
    go.set()
    wait_until(lambda: len(page.heard) == 3, "the others are answered")
    page.say({"kind": "wait", "id": "4"})
    wait_until(lambda: page.heard[-1] == {"kind": "outcome", "id": "4", "ok": True, "text": "done"}, "there is place")
    assert MAX_REQUESTS == 64
