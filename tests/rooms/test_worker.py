"""Workers: each event is handled by one of a group, again if the handler raised, and by a dead letter in the end."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.cells import Shell
from support.hub import OTHER_TOKEN, TOKEN, HubServer
from support.patience import eventually

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import CommandError, GroupConflict, NotJoined, WrongCall

Make = Callable[..., rt.Client]


def settled(room: rt.Room, group: str = "g") -> bool:
    """Return whether the group has nothing left to do."""
    return room.group(group).lag == 0


@pytest.fixture
def room(shared_hub: HubServer, client: Make, room_name: str) -> rt.Room:
    return client(shared_hub).join(room_name)


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell.begin()
    yield shell
    shell.end()


class Gate:
    """A handler that waits until it is let go, and what was handled."""

    def __init__(self) -> None:
        self.begun: list[rt.Event] = []
        self.ended: list[rt.Event] = []
        self.open = threading.Event()

    def __call__(self, event: rt.Event) -> None:
        self.begun.append(event)
        assert self.open.wait(30)
        self.ended.append(event)


# --- who gets what


def test_each_event_is_handled_by_one_worker_of_the_group(shared_hub: HubServer, client: Make, room_name: str) -> None:
    seen: list[tuple[int, int]] = []
    rooms = [client(shared_hub).join(room_name) for _ in range(3)]
    for number, room in enumerate(rooms):
        room.worker("g", event="n")(lambda event, number=number: seen.append((number, event.data)))
    for n in range(60):
        rooms[0].emit("n", n, wait=False)
    eventually(lambda: len(seen) == 60)
    assert sorted(data for _, data in seen) == list(range(60))
    assert len({number for number, _ in seen}) > 1
    eventually(lambda: settled(room))
    assert room.group("g").info.done == 60


def test_two_groups_get_all_events_each(room: rt.Room) -> None:
    seen: list[tuple[str, int]] = []
    for group in ("a", "b"):
        room.worker(group)(lambda event, group=group: seen.append((group, event.data)))
    room.emit("n", 1)
    eventually(lambda: sorted(seen) == [("a", 1), ("b", 1)])


def test_a_group_begins_with_the_first_event_or_with_new_ones_or_after_one(room: rt.Room) -> None:
    room.emit("n", 1)
    second = room.emit("n", 2)
    third = room.history(last=1)[0]
    assert second is not None
    assert third.seq == second
    room.emit("n", 3)
    seen: dict[str, list[int]] = {"first": [], "new": [], "after": [], "event": []}
    for group, start in {"first": "first", "new": "new", "after": second, "event": third}.items():
        room.worker(group, start=start)(lambda event, group=group: seen[group].append(event.data))
    room.emit("n", 4)
    eventually(lambda: seen == {"first": [1, 2, 3, 4], "new": [4], "after": [3, 4], "event": [3, 4]})


def test_a_pattern_says_which_events(room: rt.Room) -> None:
    seen: list[str] = []
    room.worker("g", event="image.*")(lambda event: seen.append(event.name))
    for name in ("image.new", "text.new", "image.old"):
        room.emit(name)
    eventually(lambda: seen == ["image.new", "image.old"])


def test_events_of_one_key_are_handled_one_after_the_other(room: rt.Room) -> None:
    running: set[str] = set()
    seen: dict[str, list[int]] = {"a": [], "b": []}
    together: list[set[str]] = []

    @room.worker("g", key="user.id", max_in_flight=8)
    async def handle(event: rt.Event) -> None:
        user = event.data["user"]["id"]
        assert user not in running
        running.add(user)
        together.append(set(running))
        await asyncio.sleep(0.01)
        running.discard(user)
        seen[user].append(event.data["n"])

    for n in range(20):
        room.emit("n", {"user": {"id": "ab"[n % 2]}, "n": n}, wait=False)
    eventually(lambda: seen == {"a": list(range(0, 20, 2)), "b": list(range(1, 20, 2))})
    assert {"a", "b"} in together
    assert not room.failures()


# --- threads and loops


def test_a_function_has_one_event_at_a_time_and_an_async_one_eight(room: rt.Room) -> None:
    gate, arrived, release = Gate(), [0], asyncio.Event()
    room.worker("one")(gate)

    @room.worker("many")
    async def handle(event: rt.Event) -> None:
        arrived[0] += 1
        if arrived[0] == 8:
            release.set()
        await release.wait()

    for n in range(10):
        room.emit("n", n, wait=False)
    eventually(lambda: arrived[0] == 10)
    assert [event.data for event in gate.begun] == [0]
    assert [worker.in_flight for worker in room.group("one").workers] == [1]
    gate.open.set()
    eventually(lambda: len(gate.ended) == 10)


def test_a_function_with_more_in_flight_runs_on_as_many_threads(room: rt.Room) -> None:
    together = threading.Barrier(3)
    names: set[str] = set()

    @room.worker("g", max_in_flight=3)
    def handle(event: rt.Event) -> None:
        together.wait(30)
        names.add(threading.current_thread().name)

    for n in range(3):
        room.emit("n", n, wait=False)
    eventually(lambda: len(names) == 3)


def test_a_quick_function_needs_one_thread(room: rt.Room) -> None:
    names: list[str] = []
    room.worker("g", max_in_flight=50)(lambda event: names.append(threading.current_thread().name))
    for n in range(100):
        room.emit("n", n, wait=False)
    eventually(lambda: len(names) == 100)
    assert len(set(names)) <= 4


def test_a_handler_that_blocks_holds_up_neither_listeners_nor_other_groups_nor_the_connection(
    shared_hub: HubServer, client: Make, room_name: str
) -> None:
    room, gate = client(shared_hub).join(room_name), Gate()
    other = client(shared_hub).join(room_name)
    room.worker("slow")(gate)
    heard: list[int] = []
    room.on("n", lambda event: heard.append(event.data))
    room.worker("quick")(lambda event: heard.append(-event.data))
    taken: list[int] = []
    for n in (1, 2, 3):
        room.emit("n", n)
    eventually(lambda: sorted(heard) == [-3, -2, -1, 1, 2, 3])
    other.worker("slow")(lambda event: taken.append(event.data))
    eventually(lambda: taken == [2, 3])  # the one that is being handled is given to nobody else
    assert room.emit("n", 4) is not None
    gate.open.set()
    eventually(lambda: settled(room, "slow"))
    assert next(event.data for event in gate.ended) == 1


# --- how it ends


def test_what_raised_comes_again_and_tells_why(room: rt.Room, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, str | None]] = []

    @room.worker("g")
    def handle(event: rt.Event) -> None:
        seen.append((event.deliveries, event.last_error))
        if event.deliveries == 1:
            raise ValueError("not yet")

    room.emit("n", 1)
    eventually(lambda: settled(room))
    assert seen[0] == (1, None)
    assert seen[1][0] == 2
    assert "not yet" in str(seen[1][1])
    assert "the handler test_what_raised_comes_again_and_tells_why.<locals>.handle raised (failure 1)" in (
        capsys.readouterr().err
    )
    assert [(each.kind, each.type, each.message) for each in room.failures()] == [("worker", "ValueError", "not yet")]


def test_after_its_tries_it_is_a_dead_letter_with_its_traceback(room: rt.Room) -> None:
    mended = False

    @room.worker("g", tries=1)
    def handle(event: rt.Event) -> None:
        if not mended:
            raise ValueError(f"cannot do {event.data}")

    for n in (1, 2, 3):
        room.emit("n", n)
    eventually(lambda: len(room.dead_letters("g")) == 3)
    letters = room.dead_letters("g")
    assert [letter.data for letter in letters] == [1, 2, 3]
    assert letters[0].error == "ValueError: cannot do 1"
    assert letters[0].reason == "tries"
    assert letters[0].deliveries == 1
    assert "in handle" in letters[0].traceback
    assert "jupyter_rtmsg/rooms" not in letters[0].traceback
    assert list(letters.to_pandas()["error"]) == [f"ValueError: cannot do {n}" for n in (1, 2, 3)]
    assert "cannot do 1" in repr(letters)
    assert "<table>" in letters._repr_html_()
    mended = True
    assert letters.redrive(letters[0]) == 1
    eventually(lambda: len(room.dead_letters("g")) == 2)
    assert room.dead_letters("g")[:1].redrive() == 1
    eventually(lambda: len(room.dead_letters("g")) == 1)
    assert room.dead_letters("g").discard() == 1
    eventually(lambda: settled(room))
    assert room.group("g").info.done == 2


def test_an_event_may_be_put_off_on_purpose_or_rejected(room: rt.Room) -> None:
    seen: list[int] = []

    @room.worker("g", tries=1)
    def handle(event: rt.Event) -> None:
        seen.append(event.deliveries)
        if event.data == "later" and event.deliveries < 4:
            event.retry(after=0.01)
        if event.data == "bad":
            event.reject("no such user")

    room.emit("n", "later")
    eventually(lambda: seen == [1, 2, 3, 4])
    room.emit("n", "bad")
    eventually(lambda: len(room.dead_letters("g")) == 1)
    letter = room.dead_letters("g")[0]
    assert (letter.reason, letter.message, letter.error) == ("rejected", "no such user", "")
    assert not room.failures()


def test_a_decision_counts_also_if_the_handler_raises_afterwards(room: rt.Room) -> None:
    @room.worker("g", tries=1)
    def handle(event: rt.Event) -> None:
        event.reject("bad")
        raise ValueError("while cleaning up")

    room.emit("n", 1)
    eventually(lambda: len(room.dead_letters("g")) == 1)
    assert room.dead_letters("g")[0].message == "bad"
    assert len(room.failures()) == 1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_whatever_is_raised_does_not_end_the_worker(room: rt.Room, error: BaseException) -> None:
    seen: list[int] = []

    @room.worker("g", tries=1)
    async def handle(event: rt.Event) -> None:
        seen.append(event.data)
        if event.data == 1:
            raise error

    room.emit("n", 1)
    room.emit("n", 2)
    eventually(lambda: settled(room) and len(room.dead_letters("g")) == 1)
    assert seen == [1, 2] or seen == [2, 1]


def test_an_error_that_cannot_be_told_is_told_as_far_as_possible(room: rt.Room) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    @room.worker("g", tries=1)
    def handle(event: rt.Event) -> None:
        if event.data == "odd":
            raise Odd
        raise ValueError("\ud800" + "x" * 100_000)

    room.emit("n", "odd")
    room.emit("n", "long")
    eventually(lambda: len(room.dead_letters("g")) == 2)
    odd, long = sorted(room.dead_letters("g"), key=lambda letter: letter.event.n or 0)
    assert odd.error.startswith("Odd")
    assert long.error.startswith("ValueError: ?xxx")
    assert len(long.error) < 3000
    assert len(long.traceback) < 9000


def test_a_deadline_is_renewed_while_the_handler_works(room: rt.Room) -> None:
    began: list[int] = []
    until = [0.0]

    @room.worker("g", ack_wait=0.5)
    def handle(event: rt.Event) -> None:
        began.append(event.deliveries)
        until[0] = until[0] or time.monotonic() + 1.5
        while time.monotonic() < until[0]:
            assert event.working()
            time.sleep(0.02)

    room.emit("n", 1)
    eventually(lambda: settled(room))
    assert began == [1]


def test_without_a_deadline_long_work_is_not_run_twice_and_with_a_short_one_the_handler_learns_it(
    shared_hub: HubServer, client: Make, room_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (client(shared_hub).join(room_name) for _ in range(2))
    release, mine, others = threading.Event(), [], []

    @first.worker("g", ack_wait=0.3)
    def handle(event: rt.Event) -> None:
        mine.append(event)
        assert release.wait(30)

    first.emit("n", 1)
    eventually(lambda: mine)
    second.worker("g", ack_wait=0.3)(others.append)
    eventually(lambda: others)
    eventually(lambda: mine[0].working() is False or time.sleep(0.05))
    release.set()
    eventually(lambda: settled(first))
    assert others[0].deliveries == 2


# --- wrong use


def test_the_event_of_a_listener_has_nothing_to_be_given_back(room: rt.Room) -> None:
    events: list[rt.Event] = []
    room.on("n", events.append)
    room.emit("n", 1)
    eventually(lambda: events)
    for call in (events[0].retry, events[0].working, lambda: events[0].reject("x")):
        with pytest.raises(WrongCall, match=r"is for the event of a worker.*\.worker\("):
            call()
    assert events[0].deliveries == 0
    assert events[0].last_error is None


def test_an_event_whose_handler_has_ended_cannot_be_given_back(room: rt.Room) -> None:
    events: list[rt.Event] = []
    room.worker("g")(events.append)
    room.emit("n", 1)
    eventually(lambda: settled(room))
    with pytest.raises(WrongCall, match="the event is done"):
        events[0].retry()


def test_the_first_of_two_decisions_counts(room: rt.Room) -> None:
    @room.worker("g", tries=1)
    def handle(event: rt.Event) -> None:
        event.reject("first")
        event.retry(after=1)

    room.emit("n", 1)
    eventually(lambda: len(room.dead_letters("g")) == 1)
    assert room.dead_letters("g")[0].message == "first"
    assert "event.reject() was called for this event already" in room.failures()[0].message


@pytest.mark.parametrize(
    ("arguments", "settings", "text"),
    [
        ((3,), {}, "the name of a group is a str, not 3"),
        (("",), {}, "the name of a group is a str"),
        (("g",), {"max_in_flight": 0}, "max_in_flight= is a whole number from 1 to 1,000, not 0"),
        (("g",), {"tries": True}, "tries= is a whole number"),
        (("g",), {"event": 1}, "takes a str as event=, not 1"),
        (("g",), {"ack_wait": 0}, "ack_wait= is a number of seconds above 0"),
        (("g",), {"start": "last"}, '"first", "new", a seq, an event or a datetime'),
    ],
)
def test_wrong_settings_are_refused_where_they_are_written(
    room: rt.Room, arguments: Any, settings: Any, text: str
) -> None:
    with pytest.raises(WrongCall, match=text):
        room.worker(*arguments, **settings)(print)
    with pytest.raises(WrongCall, match="a worker belongs to a group"):
        room.worker(print)  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [-1, "soon", True, float("nan"), 8 * 86400])
def test_a_wrong_delay_is_refused(room: rt.Room, after: Any) -> None:
    @room.worker("g", tries=1)
    def handle(event: rt.Event) -> None:
        event.retry(after=after)

    room.emit("n", 1)
    eventually(lambda: room.failures())
    assert "after= is a number of seconds from 0 to 604,800" in room.failures()[0].message


def test_settings_that_conflict_are_refused_with_both_values(
    shared_hub: HubServer, client: Make, room_name: str
) -> None:
    first, second = (client(shared_hub).join(room_name) for _ in range(2))
    first.worker("g", tries=3)(print)
    with pytest.raises(GroupConflict, match=r"3.*7|7.*3"):
        second.worker("g", tries=7)(print)
    assert len(first.group("g").workers) == 1
    second.worker("g", tries=3)(print)  # the refused one left nothing behind
    assert len(first.group("g").workers) == 2


def test_a_sole_worker_may_change_the_settings(room: rt.Room) -> None:
    room.worker("g", tries=3)(print)
    room.worker("g", tries=7)(print)
    assert room.group("g").info.tries == 7


def test_a_group_that_does_not_exist_is_named(room: rt.Room) -> None:
    for ask in (room.group, room.dead_letters):
        with pytest.raises(NotJoined, match="'nowhere'"):
            ask("nowhere")


# --- cells that run again


def test_a_cell_that_runs_again_replaces_its_worker_and_the_event_in_hand_ends_with_the_old_function(
    shell: Shell, room: rt.Room
) -> None:
    shell.user_ns.update(room=room, old=Gate(), seen=[])
    shell.cell("@room.worker('g')\ndef handle(event):\n    old(event)", id="a")
    room.emit("n", 1)
    room.emit("n", 2)
    eventually(lambda: shell.user_ns["old"].begun)
    shell.cell("@room.worker('g')\ndef handle(event):\n    seen.append((event.data, event.deliveries))", id="a")
    shell.user_ns["old"].open.set()
    eventually(lambda: settled(room))
    assert [event.data for event in shell.user_ns["old"].ended] == [1]
    assert shell.user_ns["seen"] == [(2, 1)]
    assert len(room.group("g").workers) == 1


def test_a_cell_that_runs_again_without_its_worker_stops_it_and_the_event_in_hand_is_done(
    shell: Shell, room: rt.Room
) -> None:
    shell.user_ns.update(room=room, gate=Gate())
    shell.cell("room.worker('g', max_in_flight=1)(gate)", id="a")
    for n in (1, 2):
        room.emit("n", n)
    eventually(lambda: shell.user_ns["gate"].begun)
    shell.cell("room.on('n', print)", id="a")
    eventually(lambda: all(worker.max_in_flight == 0 for worker in room.group("g").workers))
    shell.user_ns["gate"].open.set()
    eventually(lambda: not room.group("g").workers)
    assert room.group("g").info.done == 1
    assert room.group("g").lag == 1


def test_a_mended_cell_is_told_of_the_dead_letters(
    shell: Shell, room: rt.Room, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.user_ns.update(room=room)
    shell.cell("@room.worker('g', tries=1)\ndef handle(event):\n    1 / 0", id="a")
    for n in (1, 2, 3):
        room.emit("n", n)
    eventually(lambda: len(room.dead_letters("g")) == 3)
    capsys.readouterr()
    shell.cell("@room.worker('g', tries=1)\ndef handle(event):\n    pass", id="a")
    assert '3 dead letters wait: room.dead_letters("g").redrive()' in capsys.readouterr().out
    room.dead_letters("g").redrive()
    eventually(lambda: room.group("g").info.done == 3)


# --- pausing, deleting, leaving


def test_a_paused_group_gets_nothing_and_a_deleted_one_ends_its_workers(
    room: rt.Room, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []
    room.worker("g")(lambda event: seen.append(event.data))
    group = room.group("g")
    group.pause()
    assert group.paused
    assert "paused" in repr(group)
    room.emit("n", 1)
    assert eventually(lambda: group.refresh().lag) == 1
    assert seen == []
    group.resume()
    eventually(lambda: seen == [1])
    eventually(lambda: settled(room))
    assert group.delete() == {"pending": 0, "dead": 0}
    assert eventually(lambda: "group 'g' was deleted by alice" in capsys.readouterr().err)
    with pytest.raises(NotJoined):
        room.group("g")
    room.worker("g")(lambda event: seen.append(event.data))  # made anew, from the first event on
    eventually(lambda: seen == [1, 1])


def test_who_leaves_gives_back_what_was_not_begun_and_finishes_what_was(
    shared_hub: HubServer, client: Make, room_name: str
) -> None:
    first, second, gate = client(shared_hub).join(room_name), client(shared_hub).join(room_name), Gate()
    seen: list[tuple[int, int]] = []
    release = threading.Event()

    @first.worker("g", max_in_flight=5)
    def handle(event: rt.Event) -> None:
        if event.data == 0:
            gate(event)
        else:
            release.wait(30)

    for n in range(5):
        first.emit("n", n)
    eventually(lambda: gate.begun)
    first.off()
    eventually(lambda: first.group("g").workers[0].max_in_flight == 0)
    second.worker("g", max_in_flight=5)(lambda event: seen.append((event.data, event.deliveries)))
    release.set()
    gate.open.set()
    eventually(lambda: settled(second))
    assert not any(data == 0 for data, _ in seen)
    assert second.group("g").info.done == 5


def test_a_closed_client_finishes_what_runs_and_lets_go_of_the_rest(
    shared_hub: HubServer, client: Make, room_name: str
) -> None:
    hub, other, gate = client(shared_hub), client(shared_hub).join(room_name), Gate()
    room = hub.join(room_name)
    room.worker("g")(gate)
    for n in (1, 2):
        room.emit("n", n)
    eventually(lambda: gate.begun)
    closing = threading.Thread(target=hub.close)
    closing.start()
    gate.open.set()
    closing.join(30)
    assert [event.data for event in gate.ended] == [1]
    info = other.group("g").info
    assert (info.done, info.lag, info.worker_count) == (1, 1, 0)


def test_a_worker_may_leave_its_room_and_close_its_client(shared_hub: HubServer, client: Make, room_name: str) -> None:
    watcher = client(shared_hub).join(room_name)
    for end in ("leave", "close"):
        room = client(shared_hub).join(room_name)
        done = threading.Event()

        @room.worker("g", tries=1)
        def handle(event: rt.Event, room: rt.Room = room, end: str = end, done: threading.Event = done) -> None:
            (room.leave if end == "leave" else room.client.close)()
            done.set()

        watcher.emit("n")
        assert done.wait(4)
        eventually(lambda: not watcher.group("g").workers)


# --- the line and the hub


def test_a_reconnected_worker_goes_on_and_what_it_did_meanwhile_counts(
    shared_hub: HubServer, client: Make, room_name: str
) -> None:
    hub, gate, states = client(shared_hub), Gate(), []
    room = hub.join(room_name)
    room.worker("g")(gate)
    room.emit("n", 1)
    eventually(lambda: gate.begun)
    hub.on_state(states.append)
    (descriptor,) = hub.descriptors
    with socket.socket(fileno=os.dup(descriptor)) as cut:
        cut.shutdown(socket.SHUT_RDWR)
    eventually(lambda: states)
    gate.open.set()
    eventually(lambda: hub.state == "connected")
    eventually(lambda: room.group("g").info.done == 1)
    room.emit("n", 2)
    eventually(lambda: len(gate.ended) == 2)
    assert [(event.data, event.deliveries) for event in gate.ended] == [(1, 1), (2, 1)]
    eventually(lambda: room.group("g").info.done == 2)


def test_a_worker_goes_on_after_the_hub_was_killed(hub_server: HubServer, client: Make, room_name: str) -> None:
    room, gate = client(hub_server).join(room_name), Gate()
    seen: list[int] = []

    @room.worker("g", max_in_flight=2)
    def handle(event: rt.Event) -> None:
        if event.data == 1:
            gate(event)
        seen.append(event.data)

    room.emit("n", 1)
    eventually(lambda: gate.begun)
    hub_server.restart()
    gate.open.set()
    room.emit("n", 2, timeout=60)
    eventually(lambda: settled(room))
    assert sorted(seen) == [1, 2]
    assert room.group("g").info.done == 2


# --- async


async def test_async_rooms_have_the_same(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        room = await hub.join(room_name)
        seen: list[tuple[Any, int]] = []

        @room.worker("g", tries=1)
        async def handle(event: rt.Event) -> None:
            seen.append((event.data, event.deliveries))
            if event.data == "bad":
                raise ValueError("bad")
            if event.data == "later" and event.deliveries == 1:
                event.retry(after=0)

        for data in ("good", "bad", "later"):
            await room.emit("n", data)
        for _ in range(3000):
            group = await room.group("g")
            if group.info.dead and not group.lag:
                break
            await asyncio.sleep(0.01)
        assert sorted(seen) == [("bad", 1), ("good", 1), ("later", 1), ("later", 2)]
        assert [each.name for each in await room.groups()] == ["g"]
        letters = await room.dead_letters("g")
        assert [letter.error for letter in letters] == ["ValueError: bad"]
        assert await letters.discard() == 1
        await group.pause()
        assert group.paused
        await group.resume()
        assert [worker.max_in_flight for worker in group.workers] == [8]
        assert [each.message for each in room.failures()] == ["bad"]


async def test_an_async_worker_that_is_refused_says_so_in_its_cell(
    shared_hub: HubServer, client: Make, room_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = await asyncio.to_thread(lambda: client(shared_hub).join(room_name))
    await asyncio.to_thread(plain.worker("g", tries=3), print)
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        room = await hub.join(room_name)
        room.worker("g", tries=7)(print)
        err = ""
        for _ in range(500):
            err += capsys.readouterr().err
            if "the worker of group 'g' did not start" in err:
                break
            await asyncio.sleep(0.01)
        assert "did not start" in err


def test_another_user_sees_the_groups_but_may_not_steer_them(shared_hub: HubServer, room: rt.Room) -> None:
    room.worker("g")(print)
    other = rt.Client(shared_hub.url, OTHER_TOKEN).connect()
    try:
        group = other.join(room.name).group("g")
        with pytest.raises(CommandError):
            group.delete()
    finally:
        other.close()
