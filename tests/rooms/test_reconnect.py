"""What is promised when connections break and servers die: stored once, dispatched once, in order."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.patience import eventually

import jupyter_rtmsg as rt
from jupyter_rtmsg import errors
from jupyter_rtmsg.rooms.inbox import Inbox

Make = Callable[..., rt.Client]
_ROOT = Path(__file__).parents[2]


def test_a_killed_server_costs_no_event_and_doubles_none(hub_server: HubServer, client: Make) -> None:
    sender, receiver = client(hub_server).join("lab"), client(hub_server).join("lab")
    seen: list[rt.Event] = []
    receiver.on("n", seen.append)
    acknowledged: dict[int, int | None] = {}
    stop = threading.Event()

    def emit() -> None:
        number = 0
        while not stop.is_set():
            acknowledged[number] = sender.emit("n", number, timeout=60)
            number += 1

    thread = threading.Thread(target=emit)
    thread.start()
    for target in (200, 400):
        eventually(lambda target=target: len(acknowledged) > target)
        hub_server.restart()
        eventually(lambda: sender.client.state == receiver.client.state == "connected")
    eventually(lambda: len(acknowledged) > 600)
    stop.set()
    thread.join(60)
    eventually(lambda: len(seen) == len(acknowledged))
    assert [event.data for event in seen] == list(range(len(acknowledged)))
    assert [event.seq for event in seen] == list(acknowledged.values())


def test_pipelined_emits_survive_a_kill_in_order(hub_server: HubServer, client: Make) -> None:
    room = client(hub_server).join("lab")
    seen: list[int] = []
    room.on("n", lambda event: seen.append(event.data))
    receipts = [room.emit("n", number, wait=False) for number in range(1500)]
    receipts[300].result()
    hub_server.restart()
    assert len({receipt.result(30) for receipt in receipts}) == 1500
    eventually(lambda: len(seen) == 1500)
    assert seen == list(range(1500)) == room.history().data


def test_emits_during_a_reconnect_do_not_overtake(hub_server: HubServer, client: Make) -> None:
    room = client(hub_server).join("lab")
    receipts: list[rt.Receipt] = []
    stop = threading.Event()

    def emit() -> None:
        while not stop.wait(0.001):
            receipts.append(room.emit("n", len(receipts), wait=False))

    thread = threading.Thread(target=emit)
    thread.start()
    for _ in range(3):
        target = len(receipts) + 150
        eventually(lambda target=target: len(receipts) > target)
        hub_server.restart()
        eventually(lambda: room.client.state == "connected")
    stop.set()
    thread.join()
    seqs = [receipt.result(30) for receipt in receipts]
    assert seqs == sorted(set(seqs))
    assert room.history().data == list(range(len(receipts)))


def test_closing_while_offline_warns_of_events_that_may_be_missing(
    hub_server: HubServer, client: Make, caplog: Any
) -> None:
    hub = client(hub_server)
    room = hub.join("lab")
    hub_server.kill()
    eventually(lambda: hub.state == "offline")
    receipt = room.emit("n", wait=False)
    hub.close()
    with pytest.raises(errors.Disconnected, match="before the hub acknowledged"):
        receipt.result()
    assert any("1 events were not acknowledged" in record.message for record in caplog.records)


def test_events_of_others_during_an_outage_come_in_their_place(hub_server: HubServer, client: Make) -> None:
    receiver = client(hub_server).join("lab")
    seen: list[int] = []
    receiver.on("n", lambda event: seen.append(event.data))
    receiver.emit("n", 0)
    hub_server.restart()
    other = client(hub_server).join("lab")
    for number in range(1, 4):
        other.emit("n", number)
    eventually(lambda: receiver.client.state == "connected")
    other.emit("n", 4)
    eventually(lambda: len(seen) == 5)
    assert seen == [0, 1, 2, 3, 4]


def test_offline_is_a_state_and_emits_wait(hub_server: HubServer, client: Make) -> None:
    hub = client(hub_server)
    room = hub.join("lab")
    states: list[str] = []
    hub.on_state(states.append)
    hub_server.kill()
    eventually(lambda: hub.state == "offline")
    receipts = [room.emit("n", number, wait=False) for number in range(50)]
    assert not receipts[0].done()
    hub_server.start()
    assert [receipt.result(20) for receipt in receipts] == sorted(receipt.result() for receipt in receipts)
    assert room.history().data == list(range(50))
    eventually(lambda: states == ["offline", "connected"])


def test_the_offline_queue_is_bounded(hub_server: HubServer, client: Make) -> None:
    hub = client(hub_server)
    room = hub.join("lab")
    hub_server.kill()
    eventually(lambda: hub.state == "offline")
    receipts = [room.emit("n", number, wait=False) for number in range(10_000)]
    with pytest.raises(errors.QueueFull, match="10,000 events"):
        room.emit("n", "one too many", wait=False)
    hub_server.start()
    assert all(receipt.result(60) for receipt in receipts)
    assert room.emit("n", "room again")


def test_a_timeout_says_so_and_the_same_id_makes_trying_again_safe(hub_server: HubServer, client: Make) -> None:
    room = client(hub_server).join("lab")
    hub_server.freeze()
    with pytest.raises(errors.EmitTimeout, match="emit it with id='mine'"):
        room.emit("n", 1, id="mine", timeout=0.2)
    receipt = room.emit("n", 1, id="mine", wait=False)
    hub_server.thaw()
    assert receipt.result() == room.emit("n", 1, id="mine")
    assert room.history().data == [1]


def test_a_silent_server_is_noticed(client: Make) -> None:
    with HubServer(ping_interval=0.3, ping_timeout=0.3) as server:
        hub = client(server)
        server.freeze()
        eventually(lambda: hub.state == "offline")
        server.thaw()
        eventually(lambda: hub.state == "connected")


def test_commands_wait_for_the_connection_to_come_back(hub_server: HubServer, client: Make) -> None:
    hub = client(hub_server, timeout=60)  # a hub that starts on a busy machine takes long
    room = hub.join("lab")
    room.emit("n", 1)
    hub_server.kill()
    eventually(lambda: hub.state == "offline")
    threading.Timer(0.3, hub_server.start).start()
    assert room.history().data == [1]


def test_members_come_back_as_the_same(hub_server: HubServer, client: Make) -> None:
    hub = client(hub_server)
    room = hub.join("lab")
    (before,) = room.members
    hub_server.restart()
    eventually(lambda: hub.state == "connected")
    eventually(lambda: [member.member for member in room.members] == [before.member])


def test_a_replaced_log_is_announced_and_read_from_its_beginning(client: Make, caplog: Any) -> None:
    with HubServer("memory:") as server:
        hub = client(server)
        room = hub.join("lab")
        seen: list[tuple[str, Any]] = []
        room.on("n", lambda event: seen.append((event.name, event.data)))
        room.on("$reset", lambda event: seen.append((event.name, event.data["reason"])))
        for number in range(3):
            room.emit("n", number)
        eventually(lambda: len(seen) == 3)
        server.restart()  # what was in memory is gone
        other = client(server).join("lab")
        other.emit("n", "new")
        eventually(lambda: seen[-1] == ("n", "new"))
        room.emit("n", "newer")
        eventually(lambda: seen[-1] == ("n", "newer"))
    assert [name for name, _ in seen] == ["n", "n", "n", "$reset", "n", "n"]
    assert any("positions start anew" in record.message for record in caplog.records)


def test_missed_after_the_process_was_killed(hub_server: HubServer, client: Make) -> None:
    other = client(hub_server).join("lab")
    code = (
        "import jupyter_rtmsg as rt, sys, time\n"
        f"room = rt.connect({hub_server.url!r}, {TOKEN!r}).join('lab', as_='notebook.ipynb')\n"
        "room.on('n', lambda event: print(event.data, flush=True))\n"
        "print('joined', flush=True)\n"
        "while room.lag or not room.head: time.sleep(0.01)\n"
        "print('no lag', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(_ROOT)}
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "joined\n"
        other.emit("n", 0)
        assert process.stdout.readline() == "0\n"
        assert process.stdout.readline() == "no lag\n"
        process.kill()
    for number in range(1, 1001):
        other.emit("n", number, wait=False)
    other.emit("n", 1001)
    room = client(hub_server).join("lab", as_="notebook.ipynb")
    assert room.missed().data == list(range(1, 1002))


def test_a_slow_handler_gets_everything_though_the_queue_is_bounded(
    hub_server: HubServer, client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partialmethod(Inbox.__init__, max_events=100, max_bytes=1_000_000)
    monkeypatch.setattr(Inbox, "__init__", small)
    other, room = client(hub_server).join("lab"), client(hub_server).join("lab")
    seen: list[int] = []
    release = threading.Event()

    @room.on("n")
    def handle(event: rt.Event) -> None:
        release.wait(20)
        seen.append(event.data)

    for number in range(2000):
        other.emit("n", number, wait=False)
    other.emit("n", 2000)
    eventually(lambda: room.head == other.head)
    assert len(room._async.membership.inbox._items) <= 100
    release.set()
    eventually(lambda: len(seen) == 2001)
    assert seen == list(range(2001))
    eventually(lambda: room.lag == 0)


def test_a_burst_beyond_the_rate_limit_is_slowed_down_not_lost(client: Make, caplog: Any) -> None:
    with HubServer(limits={"publish_rate": 500, "publish_burst": 100}) as server:
        room = client(server).join("lab")
        receipts = [room.emit("n", number, wait=False) for number in range(400)]
        assert len({receipt.result(30) for receipt in receipts}) == 400
        assert sorted(room.history().data) == list(range(400))
    assert any("slow down" in record.message for record in caplog.records)


def test_closing_stores_waiting_events(hub_server: HubServer, client: Make) -> None:
    hub = client(hub_server)
    room = hub.join("lab")
    for number in range(500):
        room.emit("n", number, wait=False)
    hub.close()
    assert client(hub_server).join("lab").history().data == list(range(500))


def test_closing_with_a_longer_timeout_stores_events_on_a_slow_hub(client: Make) -> None:
    with HubServer(limits={"publish_rate": 100, "publish_burst": 100}) as server:
        hub = client(server)
        room = hub.join("lab")
        for number in range(500):
            room.emit("n", number, wait=False)
        hub.close(timeout=60)
        assert sorted(client(server).join("lab").history().data) == list(range(500))


def test_the_end_of_the_process_stores_waiting_events(hub_server: HubServer, client: Make) -> None:
    code = (
        "import jupyter_rtmsg as rt\n"
        f"room = rt.connect({hub_server.url!r}, {TOKEN!r}).join('lab')\n"
        "for number in range(500): room.emit('n', number, wait=False)\n"
    )
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(_ROOT)}, check=True, timeout=60)
    assert client(hub_server).join("lab").history().data == list(range(500))


def test_more_missed_than_the_hub_sends_is_read_page_by_page(client: Make) -> None:
    with HubServer(limits={"replay": 100}) as server:
        other = client(server).join("lab")
        first = client(server)
        first.join("lab", as_="reader")
        first.close()
        receipts = [other.emit("n", number, wait=False) for number in range(1200)]
        receipts[-1].result()
        room = client(server).join("lab", as_="reader")
        seen: list[int] = []
        room.on("n", lambda event: seen.append(event.data))
        other.emit("n", 1200)
        eventually(lambda: len(seen) == 1201)
        assert seen == list(range(1201))
        assert room.missed().data == list(range(1200))
        eventually(lambda: room.lag == 0)


def test_trimmed_events_are_announced_and_the_rest_is_sent(client: Make, caplog: Any) -> None:
    with HubServer(log_options={"max_events": 100}) as server:
        other = client(server).join("lab")
        first = client(server)
        first.join("lab", as_="reader")
        first.close()
        for number in range(1000):
            other.emit("n", number, wait=False)
        other.emit("n", 1000)
        eventually(lambda: len(other.history()) <= 200)
        room = client(server).join("lab", as_="reader")
        seen: list[int] = []
        room.on("n", lambda event: seen.append(event.data))
        other.emit("n", 1001)
        eventually(lambda: seen and seen[-1] == 1001)
        assert seen == list(range(seen[0], 1002))
        assert seen[0] > 700
        eventually(lambda: room.lag == 0)
    assert any("no longer held" in record.message for record in caplog.records)


def test_a_client_in_many_rooms_comes_back_to_all(hub_server: HubServer, client: Make) -> None:
    hub = client(hub_server)
    seen: list[str] = []
    rooms = [hub.join(f"room{number}") for number in range(40)]
    for room in rooms:
        room.on("n", lambda event: seen.append(event.room))
    hub_server.restart()
    eventually(lambda: hub.state == "connected")
    for room in rooms:
        room.emit("n", wait=False)
    eventually(lambda: len(seen) == 40)
    assert sorted(seen) == sorted(room.name for room in rooms)


def test_an_acknowledgement_that_was_lost_with_the_connection_is_sent_after_the_next(
    hub_server: HubServer, client: Make
) -> None:
    room = client(hub_server).join("lab", as_="reader")
    seen: list[Any] = []
    room.on("n", seen.append)
    room.emit("n", 1)
    eventually(lambda: seen)
    hub_server.kill()  # before a tenth of a second has passed, or the acknowledgement was taken: either is well
    eventually(lambda: room.client.state == "offline")
    hub_server.start()
    eventually(lambda: room.client.state == "connected")
    eventually(lambda: room.lag == 0)


@pytest.mark.parametrize("code", ["shutdown", "internal", "io", "limit", "a code of the future"])
def test_a_refusal_that_may_pass_ends_no_membership(hub_server: HubServer, client: Make, code: str) -> None:
    room, other = client(hub_server).join("lab"), client(hub_server).join("other")
    seen: list[int] = []
    room.on("n", lambda event: seen.append(event.data))
    hub_server.kill()
    hub_server.start(refuse={"join": [code] * 3})
    other.emit("n", 0, timeout=30)
    room.emit("n", 1, timeout=30)
    eventually(lambda: seen == [1])
    assert room.status == other.status == "connected"


@pytest.mark.parametrize("code", ["forbidden", "bad_room", "unauthorized"])
def test_a_refusal_for_good_ends_a_membership_and_its_handlers_hear_of_it(
    hub_server: HubServer, client: Make, code: str
) -> None:
    room = client(hub_server).join("lab")
    left: list[rt.Event] = []
    room.on("$left", left.append)
    hub_server.kill()
    hub_server.start(refuse={"join": [code]})
    eventually(lambda: left)
    assert left[0].data == {"room": "lab", "code": code, "reason": "refused by the test"}
    assert room.status == "closed"
    with pytest.raises(errors.NotJoined, match="refused by the test"):
        room.emit("n")
    room.client.join("lab").emit("n")


def test_a_first_join_is_retried_after_a_transient_refusal(hub_server: HubServer, client: Make) -> None:
    hub_server.kill()
    hub_server.start(refuse={"join": ["shutdown", "io"], "hello": ["shutdown"]})
    assert client(hub_server).join("lab").status == "connected"


def test_a_first_join_raises_a_transient_refusal_that_outlasts_its_timeout(hub_server: HubServer, client: Make) -> None:
    hub_server.kill()
    hub_server.start(refuse={"join": ["io"] * 1000})
    hub = client(hub_server, timeout=1.5)
    with pytest.raises(errors.DiskError, match="refused by the test"):
        hub.join("lab")


def test_no_command_tells_its_caller_that_the_user_has_asked_too_much(client: Make) -> None:
    """The other kernels of one user may use up what all of them may ask; then each command waits."""
    commands = ("hello", "join", "history", "rooms", "subscriptions", "unsubscribe", "leave", "delete")
    with HubServer(refuse={command: ["rate"] * 3 for command in commands}) as server:
        hub = client(server)
        room = hub.join("lab", as_="notes")
        room.emit("n", 1)
        assert room.history().data == [1]
        assert [each["room"] for each in hub.rooms()] == ["lab"]
        assert [each.name for each in hub.subscriptions()] == ["notes"]
        hub.unsubscribe("lab", "notes")
        room.leave()
        assert hub.join("lab").delete() == 1


def test_a_client_waits_as_long_as_the_hub_says(client: Make) -> None:
    with HubServer(limits={"command_rate": 50, "command_burst": 100}) as server:
        room = client(server).join("lab")
        for _ in range(10):
            room.history()  # each is 20 units of work
