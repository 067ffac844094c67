"""What people see of the objects themselves: in a terminal, and as the last line of a cell."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from IPython.core.completer import IPCompleter, provisionalcompleter
from support.cells import Shell
from support.hub import TOKEN, HubServer
from support.patience import eventually

import jupyter_rtmsg as rt
from jupyter_rtmsg.rooms.members import Member, MemberList

Make = Callable[..., rt.Client]
MARKUP = "<script>alert('&amp;')</script>"


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell.begin()
    yield shell
    shell.end()


class Text(HTMLParser):
    """The words of a document, and its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        self.words += {"div": "\n", "td": " ", "th": " "}.get(tag, "")

    def handle_data(self, data: str) -> None:
        self.words += data


def card(room: Any) -> str:
    """Return the text of what a cell shows of a room; no markup but our own may be in it."""
    text = Text(room._repr_html_())
    assert text.tags <= {"div", "b", "bdi", "code", "p", "table", "thead", "tbody", "tr", "th", "td"}
    return text.words


def test_a_room_is_a_card_with_members_events_and_position(shared_hub: HubServer, room_name: str, client: Make) -> None:
    hub = client(shared_hub, name="Ada")
    room = hub.join(room_name, as_="reader")
    words = card(room)
    assert f"Room {room_name}: connected" in words
    assert "Here now: Ada (you) [this one]" in words
    assert "Kept under the name reader" in words
    assert 'Nothing was emitted yet. Write .emit("hello", 1)' in words
    seqs = [room.emit("metric", {"loss": n}) for n in range(7)]
    eventually(lambda: room.lag == 7)
    words = card(room)
    assert [n for n in range(7) if f'{{"loss": {n}}}' in words] == [2, 3, 4, 5, 6]
    assert f"of {seqs[-1]}, 7 to handle" in words
    room.on("metric", print)
    eventually(lambda: f"Position: {seqs[-1]} of {seqs[-1]}, nothing to handle" in card(room))


def test_a_client_is_a_card_with_its_hub_and_the_joined_rooms(
    shared_hub: HubServer, room_name: str, client: Make
) -> None:
    hub = client(shared_hub, name=MARKUP[:64])
    assert "No room is joined" in card(hub)
    hub.join(room_name, as_="reader").emit("n", 1)
    words = card(hub)
    assert shared_hub.url in words
    assert f"connected as {hub.user}, events are in memory only" in words
    assert room_name in words
    assert "reader" in words
    hub.close()
    assert "closed" in card(hub)


def test_a_card_says_how_many_events_were_missed(shared_hub: HubServer, room_name: str, client: Make) -> None:
    client(shared_hub).join(room_name, as_="reader").leave()
    other = client(shared_hub).join(room_name)
    other.emit("metric", 1)
    words = card(client(shared_hub).join(room_name, as_="reader"))
    assert "Missed before this join: 1, see .missed()" in words
    assert "It is not kept when this process ends" in card(other)


def test_text_of_users_is_text_in_a_card(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub, name=MARKUP).join(room_name, as_=MARKUP)
    room.emit(MARKUP, {MARKUP: MARKUP})
    assert card(room).count(MARKUP) == 6
    assert Text(room.members._repr_html_()).words.count(MARKUP) == 1


def test_a_card_works_without_a_connection_and_after_leaving(hub_server: HubServer) -> None:
    hub = rt.Client(hub_server.url, TOKEN).connect()
    room = hub.join("lab")
    room.emit("metric", {"loss": 0.5})
    room.emit("picture", b"x" * 100_000)
    eventually(lambda: room.lag == 2)
    hub_server.kill()
    eventually(lambda: hub.state == "offline")
    words = card(room)
    assert "Room lab: offline. What is below is what was known before" in words
    assert '{"loss": 0.5}' in words
    assert "100," in words
    hub_server.start()
    eventually(lambda: "Room lab: connected" in card(room))
    room.leave()
    assert "Room lab: room 'lab' was left: join it again" in card(room)
    assert "was left" in repr(room)
    hub.close()
    assert "Room lab: " in card(room)


def test_a_hub_that_does_not_answer_delays_a_card_by_a_second_at_most(hub_server: HubServer) -> None:
    hub = rt.Client(hub_server.url, TOKEN).connect()
    room = hub.join("lab")
    room.emit("metric", 1)
    eventually(lambda: room.lag == 1)
    hub_server.freeze()
    try:
        begun = time.monotonic()
        assert "Newest events that came here" in card(room)
        assert time.monotonic() - begun < 8  # the hub's own deadline for a command is 10 s
    finally:
        hub_server.thaw()
    hub.close()


async def _first(events: Any) -> AsyncIterator[rt.Event]:
    async for event in events:
        yield event
        return


async def test_a_room_that_is_awaited_is_a_card_too(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN, name="Ada") as hub:
        room = await hub.join(room_name)
        events = room.events("metric", timeout=60)
        await room.emit("metric", 1)
        assert [event.data async for event in _first(events)] == [1]
        assert "metric" in card(room)
        assert repr(room).startswith(f"<AsyncRoom {room_name!r}: 1 member, newest event ")
        assert repr(hub).endswith(f": connected as alice, rooms: {room_name}, events in memory only>")


def test_a_handler_may_show_its_room(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    shown: list[str] = []
    room.on("metric", lambda event: shown.append(card(room)))
    room.emit("metric", 1)
    assert "Newest events:" in eventually(lambda: shown)[0]


def test_everything_has_a_short_text(shared_hub: HubServer, room_name: str, client: Make) -> None:
    hub = client(shared_hub, name="Ada")
    assert repr(hub).startswith(f"<Client {shared_hub.url}: connected")
    room = hub.join(room_name)
    assert repr(room) == f"<Room {room_name!r}: 1 member, no events yet>"
    receipt = room.emit("metric", {"loss": 0.25, "weights": bytes(100_000), "text": "x" * 100_000}, wait=False)
    seq = receipt.result()
    assert repr(receipt) == f"<Receipt of 'metric' in room {room_name!r}: stored in memory only, seq {seq}>"
    event = room.history()[0]
    assert re.fullmatch(
        r"<Event #1 'metric' in '" + re.escape(room_name) + r"' from Ada \(alice\): "
        r"{'loss': 0\.25, 'weights': <100,000 bytes>, 'text': 'x+\.\.\.x+'}>",
        repr(event),
    )
    assert repr(room.members) == "<1 member: Ada (you) [this one]>"
    assert len(repr(hub)) < 200
    assert repr(hub).endswith(f": connected as alice, rooms: {room_name}, events in memory only>")


@pytest.mark.parametrize(("expect", "said"), [(None, "sent, not stored"), (10**6, "refused, Conflict")])
def test_a_receipt_tells_its_state(
    shared_hub: HubServer, room_name: str, client: Make, expect: int | None, said: str
) -> None:
    receipt = client(shared_hub).join(room_name).emit("n", 1, volatile=expect is None, expect=expect, wait=False)
    eventually(receipt.done)
    assert repr(receipt) == f"<Receipt of 'n' in room {room_name!r}: {said}>"


def test_a_card_and_a_receipt_say_where_events_are_kept(
    shared_hub: HubServer, hub_server: HubServer, room_name: str, client: Make
) -> None:
    kept = client(hub_server).join("lab")
    assert "Room lab: connected, events are kept on disk" in card(kept)
    receipt = kept.emit("n", wait=False)
    seq = receipt.result()
    assert repr(receipt) == f"<Receipt of 'n' in room 'lab': stored, seq {seq}>"
    lost = client(shared_hub).join(room_name)
    assert "connected, events are in memory only: as it was told to" in card(lost)


def test_members_are_a_sequence_with_a_table(shared_hub: HubServer, room_name: str, client: Make) -> None:
    ada = client(shared_hub, name="Ada").join(room_name)
    client(shared_hub, name="Ben").join(room_name)
    eventually(lambda: len(ada.members) == 2)
    members = ada.members
    assert [member.name for member in members] == [member.name for member in members[:]] == ["Ada", "Ben"]
    assert members[0] == ada.me
    assert members == list(members)
    assert ada.me in members
    assert members.total == 2
    words = Text(members._repr_html_()).words
    assert "Ada (you) [this one]" in words
    assert "Ben (you) " in words


def test_a_long_list_of_members_is_cut_and_says_so() -> None:
    members = MemberList([Member(str(n), "u", "kernel", f"nb{n}", "away") for n in range(100)], 250, "1", "u")
    assert repr(members).startswith("<250 members: nb0 (you) [away], nb1 (you) [this one, away], nb2 ")
    assert repr(members).endswith("nb9 (you) [away] and 240 more>")
    assert "250 members; 150 are not listed" in Text(members._repr_html_()).words
    assert repr(MemberList()) == "<0 members: nobody>"


@pytest.mark.parametrize("jedi", [True, False])
def test_tab_lists_our_names_only(shell: Shell, jedi: bool) -> None:
    shell.user_ns["rt"] = rt
    completer = IPCompleter(shell=shell, namespace=shell.user_ns, use_jedi=jedi)
    with provisionalcompleter():
        offered = {each.text.rpartition(".")[2] for each in completer.completions("rt.", 3)}
    assert {name for name in offered if not name.startswith("_")} == {*rt.__all__, "errors", "server", "widgets"}


def test_dir_lists_our_names_only() -> None:
    public = {name for name in dir(rt) if not name.startswith("_")}
    assert public == {*rt.__all__, "errors", "server", "widgets"}
    assert sys.modules["jupyter_rtmsg"] is rt
