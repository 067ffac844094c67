"""Stored events are handed to the handlers again: at their pace, by live events, with pause and stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import WrongCall
from jupyter_rtmsg.event import Event, Sender
from jupyter_rtmsg.hub import Hub
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.rooms import replay as module
from jupyter_rtmsg.rooms.commands import Commands
from jupyter_rtmsg.rooms.replay import ReplayOptions
from jupyter_rtmsg.server import Server


@pytest.fixture
async def room() -> AsyncIterator[rt.AsyncRoom]:
    """A room of a hub in this process, joined by a reader with a subscription."""
    io, log = Server(), await open_log("memory:")
    hub = Hub(io, log)
    await hub.start()
    async with rt.AsyncClient(f"http://127.0.0.1:{await io.listen()}/", "token") as client:
        yield await client.join("lab", as_="reader")
    await hub.close()
    await io.close()
    await log.close()


async def filled(room: rt.AsyncRoom, number: int) -> list[int]:
    """Emit events; return the list of what a handler gets, in which the live ones are already."""
    got: list[int] = []
    room.on("n", lambda event: got.append(event.data if not event.replay else -event.data))
    for i in range(1, number + 1):
        await room.emit("n", i, wait=False)
    await until(lambda: len(got) == number and room.lag == 0)
    return got


def event(ts: int, name: str = "n") -> Event:
    return Event("lab", name, None, 1, 0, ts, Sender("ada", "script", "ada", "1"))


def options(**given: Any) -> ReplayOptions:
    default: dict[str, Any] = {"events": None, "after": None, "since": None, "until": None, "event": None}
    return ReplayOptions.of(**{**default, "speed": 1.0, "max_gap": 2.0, **given})


@pytest.mark.parametrize(
    ("given", "ms", "seconds"),
    [
        ({}, 300, 0.3),
        ({}, 60_000, 2.0),
        ({}, -500, 0.0),
        ({"speed": 10}, 300, 0.03),
        ({"speed": 0.5}, 300, 0.6),
        ({"speed": 0.5}, 1_500, 2.0),
        ({"speed": 0}, 300, 0.0),
        ({"max_gap": None}, 60_000, 60.0),
        ({"max_gap": 0}, 300, 0.0),
    ],
)
def test_the_pause_is_that_of_the_events_divided_by_the_speed_and_bounded(
    given: dict[str, Any], ms: int, seconds: float
) -> None:
    earlier = event(1_700_000_000_000)
    found = options(after=0, **given).pause_between(earlier, event(earlier.ts + ms))
    assert found == pytest.approx(seconds)
    assert options(after=0, **given).pause_between(None, earlier) == 0.0


async def test_events_after_a_position_are_handled_again_page_by_page_and_marked(
    room: rt.AsyncRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 7)
    got = await filled(room, 20)
    replay = room.replay(after=(await room.history())[4].seq, speed=0)
    assert await replay == 15
    assert got[20:] == [-n for n in range(6, 21)]
    assert (replay.state, replay.progress.done, replay.progress.total) == ("done", 15, 15)
    assert repr(replay) == "<Replay in 'lab': done, 15 of 15 events>"
    assert room.subscription is not None
    assert room.subscription.position == (await room.history())[-1].seq
    assert room.lag == 0


async def test_the_next_page_is_read_before_it_is_due(room: rt.AsyncRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    got = await filled(room, 5)
    asked: list[str] = []
    ask = Commands.ask_patiently

    async def counted(self: Commands, command: str, *args: Any, **options: Any) -> Any:
        asked.append(command)
        return await ask(self, command, *args, **options)

    monkeypatch.setattr(Commands, "ask_patiently", counted)
    replay = room.replay(after=0)
    room.on("n", lambda event: replay.pause() if event.replay and event.data == 1 else None)
    await until(lambda: replay.state == "paused" and asked.count("history") == 2)
    assert len(got) <= 7
    replay.resume()
    assert await replay == 5
    assert asked.count("history") == 3
    assert got[5:] == [-1, -2, -3, -4, -5]


async def test_a_replay_has_the_events_of_one_name_since_a_time_until_another(room: rt.AsyncRoom) -> None:
    got = await filled(room, 3)
    await room.emit("other", 0)
    stored = await room.history()
    assert await room.replay(since=stored[0].time, event="n", speed=0) == 3
    assert await room.replay(since=stored[0].ts / 1000, until=stored[-1].time, speed=0) == 4
    assert await room.replay(events=stored[1:], event="n", speed=0) == 2
    assert got[3:] == [-1, -2, -3, -1, -2, -3, -2, -3]
    old = replace(stored[0], ts=stored[0].ts - 5_000)
    assert await room.replay(events=[old, stored[0]], until=old.time, speed=0) == 1


async def test_it_waits_between_events_outside_the_executor_and_live_events_go_first(room: rt.AsyncRoom) -> None:
    got = await filled(room, 2)
    first, second = await room.history()
    late = replace(second, ts=first.ts + 3_600_000)
    replay = room.replay(events=[first, late], max_gap=None)
    await until(lambda: got[2:] == [-1])
    await room.emit("n", 7)  # while it waits for an hour
    await until(lambda: got[2:] == [-1, 7])
    assert replay.state == "running"
    replay.stop()
    assert await replay == 1
    assert replay.state == "stopped"


async def test_live_events_go_between_the_events_of_a_replay_at_once(room: rt.AsyncRoom) -> None:
    got: list[tuple[int, bool]] = []

    @room.on("n")
    async def handler(event: Event) -> None:
        got.append((event.data, event.replay))
        if event.replay and event.data == 1:
            await room.emit("n", 9)
            await until(lambda: room.membership.inbox.waiting > 0)

    for i in (1, 2, 3):
        await room.emit("n", i)
    await until(lambda: len(got) == 3)
    assert await room.replay(await room.history()) == 3
    assert got[3:] == [(1, True), (9, False), (2, True), (3, True)]


async def test_it_can_be_paused_and_goes_on_where_it_was(room: rt.AsyncRoom) -> None:
    got = await filled(room, 3)
    replays: list[rt.rooms.replay.Replay] = []  # type: ignore[name-defined]

    @room.on("n")
    def pause(event: Event) -> None:
        if event.replay and event.data == 2:
            replays[0].pause()

    replays.append(room.replay(after=0))
    await until(lambda: replays[0].state == "paused" and got[3:] == [-1, -2])
    await room.emit("n", 4)  # it ends at what was the newest event when it began
    await until(lambda: got[3:] == [-1, -2, 4])
    replays[0].resume()
    assert await replays[0] == 3
    assert got[3:] == [-1, -2, 4, -3]


async def test_handlers_without_replay_are_left_out(room: rt.AsyncRoom) -> None:
    live: list[int] = []
    room.on("n", lambda event: live.append(event.data), replay=False)
    got = await filled(room, 2)
    assert await room.replay(after=0, speed=0) == 2
    assert (got, live) == ([1, 2, -1, -2], [1, 2])


async def test_a_handler_cannot_wait_for_a_replay_but_may_start_one(room: rt.AsyncRoom) -> None:
    said: list[str] = []
    started: list[Any] = []

    @room.on("start")
    async def start(event: Event) -> None:
        started.append(room.replay(after=0, event="n", speed=0))
        with pytest.raises(RuntimeError) as caught:
            await started[0]
        said.append(str(caught.value))

    got = await filled(room, 2)
    await room.emit("start")
    await until(lambda: got[2:] == [-1, -2])
    assert await started[0] == 2
    assert said == ["a handler cannot wait for a replay in its own room, which waits for the handler"]


async def test_leaving_the_room_ends_its_replays(room: rt.AsyncRoom) -> None:
    await filled(room, 2)
    first, second = await room.history()
    waiting = room.replay(events=[first, replace(second, ts=first.ts + 3_600_000)], max_gap=None)
    await until(lambda: waiting.progress.done == 1)
    paused = room.replay(after=0)
    paused.pause()
    await until(lambda: paused.state == "paused")
    await room.leave()
    assert await waiting == 1
    assert (waiting.state, paused.state) == ("stopped", "stopped")


async def test_it_goes_on_over_a_lost_connection(room: rt.AsyncRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    got = await filled(room, 6)

    @room.on("n")
    def drop(event: Event) -> None:
        if event.replay and event.data == 3:
            room.client.socket.drop()  # type: ignore[attr-defined]

    assert await room.replay(after=0, speed=0) == 6
    assert got[6:] == [-1, -2, -3, -4, -5, -6]


async def test_what_fails_is_raised_by_waiting(room: rt.AsyncRoom) -> None:
    await filled(room, 1)
    replay = room.replay(after=10**9, speed=0)
    with pytest.raises(rt.errors.EpochMismatch, match="beyond the log's head 1"):
        await replay
    assert replay.state == "failed"


async def test_a_bar_of_tqdm_follows_it_where_that_is_installed(
    room: rt.AsyncRoom, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await filled(room, 3)
    replay = room.replay(after=0, speed=0)
    await replay
    replay.progress._ipython_display_()
    assert capsys.readouterr().out == "3 of 3 events\n"
    bars: list[Any] = []

    class Bar:
        def __init__(self, **given: Any) -> None:
            self.n, self.closed, self.given = given["initial"], False, given
            bars.append(self)

        def update(self, number: int) -> None:
            self.n += number

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr(module.importlib, "import_module", lambda name: SimpleNamespace(tqdm=Bar))
    replay = room.replay(after=0, speed=0)
    replay.progress._ipython_display_()
    await replay
    assert (bars[0].n, bars[0].closed, bars[0].given["desc"]) == (3, True, "lab")


async def test_a_bar_that_fails_does_not_end_the_replay(
    room: rt.AsyncRoom, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(room, 3)
    broken = SimpleNamespace(tqdm=lambda **given: SimpleNamespace(n=0))
    monkeypatch.setattr(module.importlib, "import_module", lambda name: broken)
    replay = room.replay(after=0, speed=0)
    replay.progress.bar()
    assert await replay == 3
    assert caplog.text.count("the bar of a replay in room 'lab' failed") == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "a replay has one start, not none"),
        ({"after": 0, "since": 1.0}, "not after and since"),
        ({"after": 0, "speed": -1}, "speed= is a factor"),
        ({"after": 0, "speed": "fast"}, "speed= is a factor"),
        ({"after": 0, "max_gap": -1}, "max_gap= is the longest pause"),
        ({"after": 0, "until": 40}, r"until= is a time.*lab.replay\(events=lab.history\(after="),
    ],
)
async def test_wrong_use_says_what_to_write(room: rt.AsyncRoom, given: dict[str, Any], said: str) -> None:
    with pytest.raises(WrongCall, match=said):
        room.replay(**given)


async def test_events_that_are_replayed_at_once_go_without_options(room: rt.AsyncRoom) -> None:
    with pytest.raises(WrongCall, match=r"Write lab.replay\(events=..., speed=2\)"):
        await room.replay([], speed=2)  # type: ignore[call-overload]
    with pytest.raises(WrongCall, match="a replay is of events, not of 40"):
        await room.replay(40)  # type: ignore[call-overload]
    await room.leave()
    with pytest.raises(rt.RtmsgError):
        room.replay(after=0)
    await asyncio.sleep(0)
