"""Rooms over a real hub."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.patience import eventually

import jupyter_rtmsg as rt
from jupyter_rtmsg import errors

Make = Callable[..., rt.Client]


def test_an_event_reaches_everyone_in_the_room_its_sender_too(
    shared_hub: HubServer, room_name: str, client: Make
) -> None:
    rooms = [client(shared_hub).join(room_name) for _ in range(2)]
    seen: list[list[rt.Event]] = [[], []]
    for room, events in zip(rooms, seen, strict=True):
        room.on("metric", events.append)
    seq = rooms[0].emit("metric", {"loss": 0.12})
    eventually(lambda: all(seen))
    assert [event.seq for events in seen for event in events] == [seq, seq]
    assert seen[1][0].data == {"loss": 0.12}
    assert seen[1][0].sender.user == "alice"
    assert not seen[1][0].replay


def test_events_come_in_the_order_of_their_emits(shared_hub: HubServer, room_name: str, client: Make) -> None:
    sender, receiver = client(shared_hub).join(room_name), client(shared_hub).join(room_name)
    seen: list[int] = []
    receiver.on("n", lambda event: seen.append(event.data))
    receipts = [sender.emit("n", number, wait=False) for number in range(3000)]
    assert all(receipt.result() for receipt in receipts)
    eventually(lambda: len(seen) == 3000)
    assert seen == list(range(3000))


def test_bytes_arrive_as_bytes_wherever_they_are(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    stream = room.events("blob", timeout=10)
    data = {"image": b"\x00\xff", "parts": [b"", {"deep": b"x" * 70_000}], "n": 1}
    room.emit("blob", data)
    assert next(stream).data == data
    assert room.history(last=1)[0].data == data


def test_a_handler_may_emit_and_wait(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    answers: list[int | None] = []
    room.on("question", lambda event: answers.append(room.emit("answer", event.data + 1)))
    stream = room.events("answer", timeout=10)
    room.emit("question", 1)
    assert next(stream).data == 2
    assert eventually(lambda: answers) == [room.head]


def test_async_handlers_run_one_at_a_time_off_the_io_thread(
    shared_hub: HubServer, room_name: str, client: Make
) -> None:
    room = client(shared_hub).join(room_name)
    threads: set[str] = set()
    running: list[int] = []
    seen: list[int] = []

    @room.on("n")
    async def handle(event: rt.Event) -> None:
        import asyncio

        running.append(event.data)
        assert len(running) == 1
        threads.add(threading.current_thread().name)
        await asyncio.sleep(0)
        running.remove(event.data)
        seen.append(event.data)

    for number in range(20):
        room.emit("n", number, wait=False)
    eventually(lambda: len(seen) == 20)
    assert seen == list(range(20))
    assert threads == {"rtmsg async handlers"}


def test_a_handler_that_raises_is_shown_and_the_next_event_comes(
    shared_hub: HubServer, room_name: str, client: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    room = client(shared_hub).join(room_name)
    seen: list[Any] = []

    @room.on("n")
    def handle(event: rt.Event) -> None:
        seen.append(event.data)
        if event.data == 0:
            raise KeyError("my mistake")

    room.emit("n", 0)
    room.emit("n", 1)
    eventually(lambda: seen == [0, 1])
    said = capfd.readouterr().err
    assert "my mistake" in said
    assert "test_room.py" in said
    assert "executor.py" not in said


def test_star_and_nothing_mean_every_event(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    seen: list[tuple[str, str]] = []

    @room.on("*")
    def star(event: rt.Event) -> None:
        seen.append(("star", event.name))

    @room.on()
    def called(event: rt.Event) -> None:
        seen.append(("called", event.name))

    @room.on
    def bare(event: rt.Event) -> None:
        seen.append(("bare", event.name))

    room.emit("a")
    eventually(lambda: len(seen) == 3)
    assert sorted(seen) == [("bare", "a"), ("called", "a"), ("star", "a")]


def test_off_ends_a_handler(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    seen: list[str] = []
    room.on("a", lambda event: seen.append("first"))
    room.off("a")
    room.on("a", lambda event: seen.append("second"))
    room.emit("a")
    eventually(lambda: seen)
    assert seen == ["second"]


def test_history_reads_any_part(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    seqs = [room.emit("even" if n % 2 == 0 else "odd", n, wait=False) for n in range(1201)]
    seq = [receipt.result() for receipt in seqs]
    assert room.history().data == list(range(1201))
    assert room.history(last=700).data == list(range(501, 1201))
    assert room.history(after=seq[99], before=seq[110]).data == list(range(100, 110))
    assert room.history(event="odd", limit=3).data == [1, 3, 5]
    assert room.history(limit=600).data == list(range(600))
    assert room.history(sender="nobody").data == []
    assert len(room.history(since=room.history(last=1)[0].time)) >= 1


def test_history_moves_nothing(shared_hub: HubServer, room_name: str, client: Make) -> None:
    other = client(shared_hub).join(room_name)
    room = client(shared_hub).join(room_name)
    other.emit("a", 1)
    eventually(lambda: room.lag == 1)
    room.history()
    assert room.lag == 1


def test_nothing_is_dispatched_before_the_first_handler_then_everything(
    shared_hub: HubServer, room_name: str, client: Make
) -> None:
    room = client(shared_hub).join(room_name)
    for number in range(5):
        room.emit("n", number)
    eventually(lambda: room.lag == 5)
    seen: list[int] = []
    other: list[int] = []
    room.on("n", lambda event: seen.append(event.data))
    room.on("n", lambda event: other.append(event.data))
    eventually(lambda: room.lag == 0)
    assert seen == other == list(range(5))


def test_missed_returns_the_events_while_away_and_stays_the_same(
    shared_hub: HubServer, room_name: str, client: Make
) -> None:
    other = client(shared_hub).join(room_name)
    other.emit("n", "before anyone looked")
    first = client(shared_hub)
    room = first.join(room_name, as_="reader")
    assert len(room.missed()) == 0
    seen: list[int] = []
    room.on("n", lambda event: seen.append(event.data))
    other.emit("n", 0)
    eventually(lambda: seen == [0] and room.lag == 0)
    first.close()
    for number in range(1, 4):
        other.emit("n", number)
    again = client(shared_hub).join(room_name, as_="reader")
    assert again.missed().data == [1, 2, 3]
    replayed: list[tuple[int, bool]] = []
    again.on("n", lambda event: replayed.append((event.data, event.replay)))
    other.emit("n", 4)
    eventually(lambda: again.lag == 0)
    assert replayed == [(1, True), (2, True), (3, True), (4, False)]
    assert again.missed().data == [1, 2, 3]


def test_a_handler_without_replay_gets_only_live_events(shared_hub: HubServer, room_name: str, client: Make) -> None:
    other = client(shared_hub).join(room_name)
    client(shared_hub).join(room_name, as_="reader").leave()
    other.emit("n", 1)
    room = client(shared_hub).join(room_name, as_="reader")
    seen: list[int] = []
    room.on("n", lambda event: seen.append(event.data), replay=False)
    other.emit("n", 2)
    eventually(lambda: room.lag == 0 and seen)
    assert seen == [2]


def test_unhandled_events_come_again_in_the_next_process(shared_hub: HubServer, room_name: str, client: Make) -> None:
    other = client(shared_hub).join(room_name)
    first = client(shared_hub)
    room = first.join(room_name, as_="reader")
    release = threading.Event()
    started = threading.Event()

    @room.on("n")
    def handle(event: rt.Event) -> None:
        if event.data == 2:
            started.set()
            release.wait(10)

    for number in range(1, 4):
        other.emit("n", number)
    assert started.wait(10)
    first.close()
    release.set()
    assert client(shared_hub).join(room_name, as_="reader").missed().data == [2, 3]


def test_joining_can_start_in_the_past(shared_hub: HubServer, room_name: str, client: Make) -> None:
    other = client(shared_hub).join(room_name)
    seqs = [other.emit("n", number) for number in range(5)]
    assert client(shared_hub).join(room_name, last=2).missed().data == [3, 4]
    assert client(shared_hub).join(room_name, after=seqs[0]).missed().data == [1, 2, 3, 4]
    assert client(shared_hub).join(room_name, since=0).missed().data == [0, 1, 2, 3, 4]
    assert client(shared_hub).join(room_name).missed().data == []
    with pytest.raises(ValueError, match="one of last, since, after and first"):
        client(shared_hub).join(room_name, last=1, after=1)


def test_replay_hands_stored_events_to_the_handlers_again(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    seen: list[tuple[int, bool]] = []
    room.on("n", lambda event: seen.append((event.data, event.replay)))
    room.emit("n", 1)
    eventually(lambda: seen == [(1, False)])
    assert room.replay(room.history()) == 1
    assert seen == [(1, False), (1, True)]
    assert room.replay(room.history()[:0]) == 0


def test_a_handler_may_replay_without_waiting_for_itself(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    seen: list[tuple[str, bool]] = []

    @room.on("*")
    def handle(event: rt.Event) -> None:
        seen.append((event.name, event.replay))
        if event.name == "again" and not event.replay:
            room.replay([event])

    room.emit("again")
    eventually(lambda: len(seen) == 2)
    assert seen == [("again", False), ("again", True)]


def test_a_loop_over_events_ends_after_silence(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    stream = room.events("n", timeout=0.2)
    came: list[int] = []
    room.on("n", lambda event: came.append(event.data))  # after the stream
    room.emit("n", 1)
    room.emit("other", 2)
    room.emit("n", 3)
    eventually(lambda: came == [1, 3])
    assert [event.data for event in stream] == [1, 3]


def test_a_loop_that_is_left_does_not_stop_the_others(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    stream = room.events(timeout=10)
    seen: list[int] = []
    room.on("n", lambda event: seen.append(event.data))
    receipts = [room.emit("n", number, wait=False) for number in range(1500)]
    assert next(stream).data == 0
    del stream
    receipts[-1].result()
    eventually(lambda: len(seen) == 1500)


def test_leaving_ends_loops_and_refuses_to_go_on(shared_hub: HubServer, room_name: str, client: Make) -> None:
    hub = client(shared_hub)
    room = hub.join(room_name)
    stream = room.events()
    threading.Timer(0.1, room.leave).start()
    assert list(stream) == []
    with pytest.raises(errors.NotJoined, match="was left"):
        room.emit("a")
    again = hub.join(room_name)
    assert again is not room
    assert again.emit("a")


def test_members_are_known_and_kept_up_to_date(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub, name="Ada").join(room_name)
    assert [member.name for member in room.members] == ["Ada"]
    second = client(shared_hub, name="Grace")
    second.join(room_name)
    eventually(lambda: {member.name for member in room.members} == {"Ada", "Grace"})
    second.close()
    eventually(lambda: [member.name for member in room.members] == ["Ada"])


def test_another_owner_of_the_subscription_takes_over(shared_hub: HubServer, room_name: str, client: Make) -> None:
    hub = client(shared_hub)
    room = hub.join(room_name, as_="reader")
    told: list[str] = []
    room.on("$taken", lambda event: told.append(event.data["as"]))
    second = client(shared_hub).join(room_name, as_="reader")
    eventually(lambda: told == ["reader"])
    with pytest.raises(errors.NotJoined, match="took over the subscription 'reader'"):
        room.emit("a")
    assert second.emit("a")
    assert hub.join(room_name, as_="reader").emit("b")


def test_volatile_events_have_no_seq_and_are_not_stored(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    stream = room.events(timeout=10)
    room.emit("n")
    assert next(stream).name == "n"  # now the hub has put us into the room: what is volatile is for those who are there
    assert room.emit("cursor", [1, 2], volatile=True) is None
    event = next(stream)
    assert (event.name, event.seq, event.data) == ("cursor", None, [1, 2])
    assert len(room.history()) == 1


def test_the_same_id_is_stored_once(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    assert room.emit("n", 1, id="mine") == room.emit("n", 1, id="mine")
    receipts = [room.emit("n", 2, id="other", wait=False) for _ in range(5)]
    assert len({receipt.result() for receipt in receipts}) == 1
    assert room.history().data == [1, 2]


def test_expect_refuses_an_event_that_is_too_late(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    head = room.emit("n", 1, expect=0)
    with pytest.raises(errors.Conflict):
        room.emit("n", 2, expect=0)
    assert room.emit("n", 2, expect=head)


def test_a_watcher_does_not_start_the_handlers(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    watched: list[Any] = []
    end = room.watch(lambda event: watched.append(event.data) if event.name == "n" else None)
    room.emit("n", 1)
    eventually(lambda: watched == [1])
    assert room.lag == 1
    end()
    seen: list[Any] = []
    room.on("n", lambda event: seen.append(event.data))
    room.emit("n", 2)
    eventually(lambda: seen == [1, 2])
    assert watched == [1]


def test_a_client_has_its_user_once_it_is_connected(shared_hub: HubServer, room_name: str) -> None:
    with rt.Client(shared_hub.url, TOKEN, name="Ada's laptop") as hub:
        assert hub.user == "alice"
        room = hub.join(room_name)
        me = room.me
        assert me in room.members
        assert me is not None
        assert (me.user, me.kind, me.name, me.state) == ("alice", "script", "Ada's laptop", "here")
        room.emit("n")
        assert room.history()[0].sender.member == me.member


def test_leaving_during_a_replay_does_not_leave_it_waiting(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    for number in range(10):
        room.emit("n", number)
    entered = threading.Event()

    @room.on("n", replay=True)
    def handle(event: rt.Event) -> None:
        if event.replay:
            entered.set()
            room.leave()

    assert room.replay(room.history()) < 10
    assert entered.is_set()


def test_nothing_is_handled_once_a_room_was_left(shared_hub: HubServer, room_name: str, client: Make) -> None:
    hub = client(shared_hub)
    room = hub.join(room_name, as_="reader")
    seen: list[int] = []

    @room.on("n")
    def handle(event: rt.Event) -> None:
        seen.append(event.data)
        if event.data == 1:
            room.leave()

    for number in range(5):
        room.emit("n", number, wait=False)
    eventually(lambda: hub.join(room_name, as_="reader") is not room)
    again = hub.join(room_name, as_="reader")
    # what the handler that left was at had not been handled: it comes again
    again.on("n", lambda event: seen.append(event.data))
    eventually(lambda: again.head and again.lag == 0)
    eventually(lambda: seen[-1] == 4)
    assert seen in ([0, 1, 1, 2, 3, 4], [0, 1, 0, 1, 2, 3, 4])


def test_a_deleted_room_ends_for_everybody_in_it(shared_hub: HubServer, room_name: str, client: Make) -> None:
    mine, other = client(shared_hub).join(room_name, as_="a"), client(shared_hub).join(room_name)
    handled: list[Any] = []
    for name in ("n", "$deleted"):
        other.on(name, lambda event: handled.append((event.name, event.data)))
    for number in range(3):
        mine.emit("n", number)
    assert mine.delete() == 3
    eventually(lambda: handled[-1:] == [("$deleted", {"room": room_name, "user": "alice"})])
    assert handled[:-1] == [("n", 0), ("n", 1), ("n", 2)]
    for room in (mine, other):
        assert room.status == "closed"
        with pytest.raises(errors.NotJoined, match=f"room '{room_name}' was deleted by alice"):
            room.emit("n")


def test_a_deleted_room_that_is_joined_again_is_empty(shared_hub: HubServer, room_name: str, client: Make) -> None:
    hub = client(shared_hub)
    room = hub.join(room_name, as_="reader")
    last = room.emit("n", 1, id="step-1")
    room.delete()
    again = hub.join(room_name, as_="reader")
    assert (len(again.history()), again.missed_count) == (0, 0)
    assert last is not None
    assert (again.emit("n", 2, id="step-1") or 0) > last
    assert again.history().data == [2]
