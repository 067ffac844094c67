"""`room.state` has the last value under each key, whatever happens to the connection, the log and the room."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.hub import OTHER_TOKEN, TOKEN, HubServer
from support.jupyter import wait_until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import BadRequest, Conflict
from jupyter_rtmsg.event import Event
from jupyter_rtmsg.rooms.decoding import event_of
from jupyter_rtmsg.rooms.inbox import Inbox
from jupyter_rtmsg.rooms.state import StateValues


@pytest.fixture
def pair(shared_hub: HubServer, room_name: str) -> Any:
    """Two clients in a room."""
    with rt.Client(shared_hub.url, TOKEN) as ann, rt.Client(shared_hub.url, OTHER_TOKEN) as bob:
        yield ann.join(room_name), bob.join(room_name)


def test_a_value_that_one_sets_is_read_by_all(pair: Any) -> None:
    ann, bob = pair
    seq = ann.state.set("lr", {"value": 0.1})
    wait_until(lambda: bob.state.get("lr") == {"value": 0.1}, "it came")
    assert (list(bob.state), len(bob.state), "lr" in bob.state, bob.state.seq("lr")) == (["lr"], 1, True, seq)
    assert bob.state.event("lr").sender.user == "alice"
    assert dict(bob.state.items()) == {"lr": {"value": 0.1}}
    ann.emit("config", b"\x00", retain="logo")
    wait_until(lambda: bob.state.get("logo") == b"\x00", "it came")
    ann.state.delete("lr")
    wait_until(lambda: "lr" not in bob.state, "it went")
    with pytest.raises(KeyError):
        bob.state["lr"]
    assert bob.state.seq("lr") == 0
    assert bob.state.event("lr") is None


def test_of_two_that_change_the_same_value_one_is_refused_and_learns_the_present_seq(pair: Any) -> None:
    ann, bob = pair
    seq = ann.state.set("n", 1, expect=0)
    with pytest.raises(Conflict) as caught:
        bob.state.set("n", 2, expect=0)
    assert caught.value.head == seq
    bob.state.set("n", 2, expect=caught.value.head)
    with pytest.raises(Conflict):
        ann.state.delete("n", expect=seq)


def test_handlers_of_a_key_get_each_change_and_the_deletion(pair: Any) -> None:
    ann, bob = pair
    lr: list[Event] = []
    every: list[Any] = []
    bob.state.on_change("lr", lr.append)

    @bob.state.on_change
    def changed(event: Event) -> None:
        every.append((event.key, event.data))

    ann.state.set("lr", 1)
    ann.state.set("other", 2)
    ann.state.set("lr", 3)
    ann.state.delete("lr")
    wait_until(lambda: len(every) == 4, "all came")
    assert [(event.key, event.data) for event in lr] == [("lr", 1), ("lr", 3), ("lr", None)]
    assert every == [("lr", 1), ("other", 2), ("lr", 3), ("lr", None)]
    assert (lr[0].sender.user, lr[0].retained) == ("alice", False)


def test_a_joiner_has_the_state_at_once_and_its_handlers_get_the_values_as_retained(
    shared_hub: HubServer, room_name: str
) -> None:
    with rt.Client(shared_hub.url, TOKEN) as ann, rt.Client(shared_hub.url, OTHER_TOKEN) as bob:
        lab = ann.join(room_name)
        lab.emit("tick", 0)
        lab.emit("config", 1, retain="a")
        lab.emit("config", 2, retain="b")
        lab.emit("config", 3, retain="a")
        there = bob.join(room_name)
        wait_until(lambda: dict(there.state) == {"a": 3, "b": 2}, "the state is there")
        got: list[Event] = []
        live: list[Event] = []
        there.on("config", got.append)
        there.on("config", live.append, replay=False)
        wait_until(lambda: len(got) == 2, "the values came")
        lab.emit("config", 4, retain="b")
        wait_until(lambda: live, "the live one came")
        assert [(e.data, e.retained, e.replay, e.key) for e in got] == [
            (2, True, True, "b"), (3, True, True, "a"), (4, False, False, "b"),
        ]  # fmt: skip
        assert [e.data for e in live] == [4]
        assert (there.missed_count, there.lag) == (0, 0)


def test_the_state_survives_a_restart_of_the_hub_and_changes_meanwhile(tmp_path: Path) -> None:
    server = HubServer(f"sqlite:///{tmp_path}/log.sqlite3")
    with server, rt.Client(server.url, TOKEN) as ann:
        lab = ann.join("lab")
        lab.state.set("stays", 1)
        lab.state.set("goes", 1)
        changes: list[Any] = []
        lab.state.on_change(None, lambda event: changes.append((event.key, event.data)))
        retained: list[Event] = []
        lab.on("state", retained.append)
        server.restart()
        with rt.Client(server.url, OTHER_TOKEN) as bob:
            bob.join("lab").state.delete("goes")
            bob.join("lab").state.set("new", 2)
        wait_until(lambda: dict(lab.state) == {"stays": 1, "new": 2}, "the state is as the hub's")
        wait_until(lambda: len(changes) == 2, "the changes were told")
        assert sorted(changes) == [("goes", None), ("new", 2)]
        assert not [event for event in retained if event.retained], "handlers had these values before"


def test_another_log_replaces_the_state(tmp_path: Path) -> None:
    server = HubServer(f"sqlite:///{tmp_path}/log.sqlite3")
    with server, rt.Client(server.url, TOKEN) as ann:
        lab = ann.join("lab")
        for i in range(5):
            lab.state.set("a", i)
        lab.state.set("b", 1)
        server.kill()
        for file in tmp_path.glob("log.sqlite3*"):
            file.unlink()
        server.start()
        wait_until(lambda: lab.status == "connected" and dict(lab.state) == {}, "the new log has no values")
        lab.state.set("a", "new")
        wait_until(lambda: dict(lab.state) == {"a": "new"}, "small positions count in the new log")


def test_a_room_that_was_deleted_and_made_anew_has_no_values(shared_hub: HubServer, room_name: str) -> None:
    with rt.Client(shared_hub.url, TOKEN) as ann:
        ann.join(room_name).state.set("a", 1)
        ann.join(room_name).delete()
        again = ann.join(room_name)
        assert dict(again.state) == {}
        again.state.set("b", 2)
        wait_until(lambda: dict(again.state) == {"b": 2}, "it came")


def test_a_value_that_expires_leaves_the_state(pair: Any) -> None:
    ann, bob = pair
    gone: list[Event] = []
    bob.state.on_change("beat", gone.append)
    ann.state.set("beat", 1, expire=0.1)
    wait_until(lambda: [event.data for event in gone] == [1, None], "it came and went")
    assert "beat" not in ann.state


def test_an_emit_with_a_wrong_expiry_says_so_at_once(pair: Any) -> None:
    ann, _ = pair
    for wrong in (-1, 0, float("nan"), float("inf"), "5", True):
        with pytest.raises(BadRequest, match="number of seconds above 0"):
            ann.emit("tick", expire=wrong)
    with pytest.raises(BadRequest, match="volatile event is not stored"):
        ann.emit("tick", volatile=True, expect=0)


def test_the_state_is_a_table(pair: Any) -> None:
    ann, _ = pair
    ann.state.set("<b>", {"x": [1]})
    wait_until(lambda: len(ann.state) == 1, "it came")
    assert "key" in repr(ann.state)
    assert '{"x": [1]}' in repr(ann.state)
    assert "&lt;b&gt;" in ann.state._repr_html_()
    frame = ann.state.to_pandas()
    assert list(frame.columns) == ["key", "value", "seq", "time", "user"]
    assert frame.value[0] == {"x": [1]}


async def test_code_that_awaits_has_the_same(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        lab = await hub.join(room_name)
        changed = asyncio.Event()
        lab.state.on_change("a", lambda event: changed.set())
        seq = await lab.state.set("a", 1)
        await asyncio.wait_for(changed.wait(), 30)
        assert (lab.state["a"], lab.state.seq("a")) == (1, seq)
        await lab.state.delete("a", expect=seq)


# --- what comes in another order


class Changes:
    """Keeps the names of the handlers that would be called."""

    def __init__(self) -> None:
        self.events: list[tuple[str | None, Any]] = []

    def value(self, name: str, event: Event) -> None:
        if name == "$state:":
            self.events.append((event.key, event.data))

    def retained(self, event: Event, size: int) -> None:
        pass


def args(key: str, data: Any, seq: int, **more: Any) -> list[Any]:
    return ["set", data, {"room": "lab", "seq": seq, "key": key, "ts": 0, "from": {}, **more}]


def test_what_a_snapshot_covers_does_not_come_back_with_the_backlog() -> None:
    changes = Changes()
    values = StateValues("lab", changes)
    values.expect(1, covered=10)
    values.retained(args("a", "new", 9, retained=True), 0)
    values.live(args("a", "old", 3, replay=True))
    values.live(args("deleted", "old", 4, replay=True))
    assert ({key: event.data for key, event in values.events.items()}, changes.events) == ({"a": "new"}, [("a", "new")])
    values.live(args("a", None, 11))
    values.live(args("b", 1, 12))
    assert (list(values.events), changes.events[1:]) == (["b"], [("a", None), ("b", 1)])


def test_a_snapshot_replaces_all_at_once() -> None:
    changes = Changes()
    values = StateValues("lab", changes)
    values.expect(0, covered=0)
    values.live(args("a", 1, 1))
    values.live(args("b", 1, 2))
    values.expect(2, covered=2)
    values.retained(args("b", 1, 2, retained=True), 0)
    assert sorted(values.events) == ["a", "b"], "it is not complete"
    values.retained(args("c", 1, 5, retained=True), 0)
    assert sorted(values.events) == ["b", "c"]
    assert changes.events[2:] == [("c", 1), ("a", None)]


def test_a_value_moves_no_position_of_the_inbox() -> None:
    from jupyter_rtmsg.client.handlers import Handler, Handlers

    handlers = Handlers()
    got: list[Event] = []
    handlers.add(Handler(got.append, "set"))
    inbox = Inbox("lab", handlers, lambda: None)
    inbox.start()
    inbox.retained(event_of("lab", "set", 1, args("a", 1, 50, retained=True)[2], True), 10)
    for call in inbox.calls():
        call.handler.function(*call.args)
    assert ([event.data for event in got], inbox.handled, inbox.received, inbox.put_count) == ([1], 0, 0, 0)
