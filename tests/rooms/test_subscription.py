"""A room's subscription: looking moves nothing, seek and skip do, and nothing that was queued undoes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import BadRequest, NotJoined, WrongCall
from jupyter_rtmsg.hub import Hub
from jupyter_rtmsg.log import EventLog, open_log
from jupyter_rtmsg.rooms.subscription import AsyncRoomSubscription
from jupyter_rtmsg.server import Server


class Ground:
    """A hub in this process, and clients of one user."""

    def __init__(self, hub: Hub, log: EventLog, url: str) -> None:
        self.hub = hub
        self.log = log
        self.url = url
        self._clients: list[rt.AsyncClient] = []

    async def client(self) -> rt.AsyncClient:
        client = rt.AsyncClient(self.url, "token")
        self._clients.append(client)
        await client.connect()
        return client

    async def room(self, as_: str | None = "reader", **start: Any) -> rt.AsyncRoom:
        return await (await self.client()).join("lab", as_=as_, **start)

    def cursor(self, name: str = "reader") -> int:
        return next(row.position for row in self.log.subscriptions.all() if row.label == name)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    io, log = Server(), await open_log("memory:")
    hub = Hub(io, log)
    await hub.start()
    ground = Ground(hub, log, f"http://127.0.0.1:{await io.listen()}/")
    yield ground
    await ground.close()
    await hub.close()
    await io.close()
    await log.close()


async def emitted(room: rt.AsyncRoom, number: int = 5) -> list[int]:
    return [await room.emit("n", i) for i in range(number)]  # type: ignore[misc]


def handle(room: rt.AsyncRoom) -> list[int]:
    """Register a handler, and return the list of what it gets."""
    got: list[int] = []
    room.on("n", lambda event: got.append(event.data))
    return got


async def test_looking_never_acknowledges(ground: Ground) -> None:
    writer = await ground.room("writer")
    await (await ground.room("reader")).leave()
    seqs = await emitted(writer)
    room = await ground.room()
    before = ground.cursor()
    assert [event.data for event in await room.missed()] == [0, 1, 2, 3, 4]
    assert len(await room.history()) == 5
    assert [event.data for event in await room.peek(2)] == [0, 1]
    seen: list[Any] = []
    stop = room.watch(seen.append)
    await emitted(writer, 1)
    await until(lambda: len(seen) == 1)
    stop()
    subscription = room.subscription
    assert subscription is not None
    assert (await subscription.lag()).count == 6
    assert (await subscription.expires()) is not None
    assert repr(room)
    assert room._repr_html_()
    assert (await room.client.subscriptions("lab"))._repr_html_()
    await room.leave()  # acknowledges what was handled: nothing
    assert ground.cursor() == before < seqs[0]


async def test_a_subscription_shows_its_name_and_the_number_of_events_ahead(ground: Ground) -> None:
    writer, room = await ground.room("writer"), await ground.room()
    seqs = await emitted(writer, 3)
    await writer.emit("other", b"12345")
    subscription = room.subscription
    assert isinstance(subscription, AsyncRoomSubscription)
    assert subscription == "reader" == subscription.name == str(subscription)
    assert {subscription: 1} == {"reader": 1}
    lag = await subscription.lag()
    assert (lag.count, lag.by_event, lag.other_names, lag.other_events) == (4, {"n": 3, "other": 1}, 0, 0)
    assert lag.bytes >= 5
    assert lag.oldest is not None
    assert abs(lag.oldest.timestamp() - datetime.now(timezone.utc).timestamp()) < 300
    got = handle(room)
    await until(lambda: len(got) == 3 and room.lag == 0)
    assert (subscription.position, (await subscription.lag()).count) == (seqs[-1] + 1, 0)
    assert "reader" in subscription._repr_html_()
    assert (await ground.room(None)).subscription is None


async def test_a_seek_back_has_the_events_handled_again_and_a_seek_forward_leaves_them_out(ground: Ground) -> None:
    room = await ground.room()
    got = handle(room)
    seqs = await emitted(room)
    await until(lambda: len(got) == 5 and room.lag == 0)
    assert await room.seek(seqs[2]) == seqs[4]
    await until(lambda: got[5:] == [3, 4])
    assert await room.seek("first") in (seqs[2], seqs[3], seqs[4])
    await until(lambda: got[7:] == [0, 1, 2, 3, 4])
    await until(lambda: room.lag == 0 and ground.cursor() == seqs[4])
    await room.seek((await room.history())[0].time)
    await until(lambda: got[12:] == [0, 1, 2, 3, 4] and room.lag == 0)
    await room.seek("end")
    assert ground.cursor() == seqs[4]
    await room.emit("n", 5)
    await until(lambda: got[-1] == 5 and room.lag == 0)


async def test_skip_returns_the_position_before_and_a_seek_there_undoes_it(ground: Ground) -> None:
    writer, room = await ground.room("writer"), await ground.room()
    seqs = await emitted(writer)
    before = await room.skip()
    assert room.subscription is not None
    assert room.subscription.position == seqs[4] == ground.cursor()
    await room.seek(before)
    assert await room.skip(2) == before
    assert ground.cursor() == seqs[1]
    got = handle(room)
    await until(lambda: got == [2, 3, 4])


async def test_what_was_queued_cannot_undo_a_seek(ground: Ground) -> None:
    """A handler holds the first event; the others wait in the queue when the reader is moved back."""
    room, go_on, got = await ground.room(), asyncio.Event(), []

    @room.on("n")
    async def slow(event: rt.Event) -> None:
        got.append(event.data)
        await go_on.wait()

    seqs = await emitted(room)
    await until(lambda: got == [0])
    await room.seek(seqs[2])
    assert ground.cursor() == seqs[2]
    go_on.set()
    await until(lambda: got == [0, 3, 4] and room.lag == 0)
    await until(lambda: ground.cursor() == seqs[4])


async def test_a_seek_back_during_a_handler_gives_its_event_again(ground: Ground) -> None:
    room, got = await ground.room(), []

    @room.on("n")
    async def back(event: rt.Event) -> None:
        got.append(event.data)
        if got == [0, 1, 2]:
            await room.seek("first")

    seqs = await emitted(room, 4)
    await until(lambda: got == [0, 1, 2, 0, 1, 2, 3] and room.lag == 0)
    await until(lambda: ground.cursor() == seqs[3])


async def test_handlers_without_replay_do_not_get_handled_events_again(ground: Ground) -> None:
    room = await ground.room()
    got, live = handle(room), []
    room.on("n", lambda event: live.append(event.data), replay=False)
    await emitted(room, 3)
    await until(lambda: live == [0, 1, 2] and room.lag == 0)
    await room.seek("first")
    await until(lambda: got == [0, 1, 2] * 2)
    await room.emit("n", 9)
    await until(lambda: live == [0, 1, 2, 9])


async def test_another_client_of_the_user_moves_the_reader_which_is_told(ground: Ground) -> None:
    room = await ground.room()
    got, told = handle(room), []
    room.on("$seek", lambda event: told.append(event.data["cursor"]))
    seqs = await emitted(room, 3)
    await until(lambda: len(got) == 3 and room.lag == 0)
    (mine,) = await (await ground.client()).subscriptions("lab")
    assert await mine.seek(seqs[0]) == seqs[2]
    await until(lambda: got == [0, 1, 2, 1, 2])
    assert told == [seqs[0]]
    (mine,) = await room.client.subscriptions("lab")  # type: ignore[attr-defined]
    await mine.seek("first")  # and its own client, by the list
    await until(lambda: got[5:] == [0, 1, 2])


async def test_a_reader_that_was_away_during_the_seek_starts_at_the_new_position(ground: Ground) -> None:
    room = await ground.room()
    got = handle(room)
    seqs = await emitted(room, 3)
    await until(lambda: len(got) == 3 and room.lag == 0)
    other = await ground.client()
    socket = room.client.socket  # type: ignore[attr-defined]
    ready = asyncio.Event()
    room.watch(lambda event: ready.set() if event.name == "$seek" else None)
    socket.drop()
    await (await other.subscriptions("lab"))[0].seek(seqs[1])
    await until(lambda: got[3:] == [2])
    await until(ready.is_set)


async def test_a_subscription_that_is_deleted_begins_anew_at_the_next_join(ground: Ground) -> None:
    room = await ground.room()
    assert room.subscription is not None
    await room.subscription.delete()
    assert await room.client.subscriptions("lab") == []  # type: ignore[attr-defined]
    with pytest.raises(NotJoined):
        await (await ground.client()).unsubscribe("lab", "reader")
    other = await ground.room("other")
    (mine,) = await other.client.subscriptions("lab")  # type: ignore[attr-defined]
    await mine.delete()
    assert await other.client.subscriptions("lab") == []  # type: ignore[attr-defined]


async def test_a_new_subscription_starts_with_the_first_event_if_asked(ground: Ground) -> None:
    await emitted(await ground.room("writer"), 3)
    room = await ground.room(first=True)
    assert room.missed_count == 3
    got = handle(room)
    await until(lambda: got == [0, 1, 2] and room.lag == 0)
    await room.leave()
    assert (await ground.room(first=True)).missed_count == 0
    with pytest.raises(ValueError, match="one of last, since, after and first"):
        await ground.room("x", first=True, last=1)


async def test_wrong_use_of_seek_says_what_to_write(ground: Ground) -> None:
    room = await ground.room()
    seqs = await emitted(room, 2)
    for wrong in ("last", None, True, [1]):
        with pytest.raises(WrongCall, match=r'Write lab.seek\("first"\)'):
            await room.seek(wrong)  # type: ignore[arg-type]
    for wrong in (-1, 1.5, "all"):
        with pytest.raises(WrongCall, match=r"skip\(\) takes the number of events"):
            await room.skip(wrong)  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match=f"seq 99 is beyond the newest event of the log, seq {seqs[-1]}"):
        await room.seek(99)
    without = await ground.room(None)
    with pytest.raises(WrongCall, match=r"hub\.join\('lab', as_=\"reader\"\)"):
        await without.seek("first")
    await room.leave()
    with pytest.raises(NotJoined):
        await room.seek("first")


async def test_a_reader_whose_subscription_had_ended_is_warned(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    await (await ground.room()).leave()
    (row,) = ground.log.subscriptions.all()
    await until(lambda: ground.hub.core.subscriptions.owner(row) is None)
    ground.hub.core.subscriptions.end(row)
    with caplog.at_level(logging.WARNING):
        await ground.room()
    assert "the subscription 'reader' had ended at" in caplog.text


async def test_the_card_tells_what_is_to_be_handled_from_what_is_not_acknowledged_yet(ground: Ground) -> None:
    room = await ground.room()
    room.membership.progress.stop()  # no acknowledgement is sent
    seqs = await emitted(room, 3)
    await until(lambda: f"Position: {seqs[0] - 1} of {seqs[2]}, 3 to handle" in room._repr_html_())
    assert repr(room) == f"<AsyncRoom 'lab': 1 member, newest event {seqs[2]}, 3 to handle>"
    got = handle(room)
    await until(lambda: len(got) == 3 and room.membership.inbox.unhandled == 0)
    card = room._repr_html_()
    assert f"Position: {seqs[2]} of {seqs[2]}, 3 handled and not acknowledged yet. Kept under" in card
    assert repr(room).endswith("3 handled and not acknowledged yet>")


async def test_after_a_seek_back_each_handled_event_moves_the_subscription(ground: Ground) -> None:
    """Not only those beyond the place where it was before."""
    room = await ground.room()
    permits, got = asyncio.Semaphore(5), []

    @room.on("n")
    async def handler(event: rt.Event) -> None:
        await permits.acquire()
        got.append(event.data)

    seqs = await emitted(room)
    await until(lambda: len(got) == 5 and room.lag == 0)
    await room.seek("first")
    for handled in (1, 2):
        permits.release()
        await until(lambda at=seqs[handled - 1]: ground.cursor() == at)  # type: ignore[misc]
    assert got[5:] == [0, 1]
    for _ in range(3):
        permits.release()
    await until(lambda: room.lag == 0)


async def test_a_seek_right_after_the_join_holds_although_the_backlog_is_on_its_way(ground: Ground) -> None:
    writer = await ground.room("writer")
    seqs = await emitted(writer, 60)
    room = await ground.room(first=True)
    got = handle(room)
    await room.seek(seqs[49])
    await until(lambda: got[-1:] == [59] and room.lag == 0)
    assert got[-10:] == list(range(50, 60))
    assert ground.cursor() == seqs[59]


async def test_quick_events_are_acknowledged_while_the_handler_of_the_next_one_takes_long(ground: Ground) -> None:
    room = await ground.room()
    go_on = asyncio.Event()

    @room.on("n")
    async def handler(event: rt.Event) -> None:
        if event.data == 9:
            await go_on.wait()

    seqs = await emitted(room, 10)
    await until(lambda: ground.cursor() == seqs[8])
    go_on.set()
    await until(lambda: ground.cursor() == seqs[9] and room.lag == 0)


async def test_a_moved_reader_goes_on_over_a_restart_of_the_hub(tmp_path: Path) -> None:
    async def serve(port: int) -> tuple[Hub, Server, EventLog, int]:
        io, log = Server(), await open_log(f"sqlite:///{tmp_path}/log.sqlite3", ballast=0)
        hub = Hub(io, log)
        await hub.start()
        return hub, io, log, await io.listen(port)

    hub, io, log, port = await serve(0)
    ground = Ground(hub, log, f"http://127.0.0.1:{port}/")
    room = await ground.room()
    got = handle(room)
    seqs = await emitted(room, 3)
    await until(lambda: len(got) == 3 and room.lag == 0)
    await room.seek(seqs[0])
    await until(lambda: got[3:] == [1, 2] and room.lag == 0)
    for each in (hub, io, log):
        await each.close()
    hub, io, log, _ = await serve(port)
    ground.log = log
    await until(lambda: room.client.state == "connected")
    seqs += await emitted(room, 1)
    await until(lambda: ground.cursor() == seqs[3] and room.lag == 0)
    assert got[5:] == [0]  # nothing again: the generation is that of the seek
    await ground.close()
    for each in (hub, io, log):
        await each.close()
