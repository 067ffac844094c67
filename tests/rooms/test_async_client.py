"""The same for code that awaits."""

from __future__ import annotations

import asyncio
import threading

import pytest
from support.hub import TOKEN, HubServer
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg import errors


async def test_the_example_of_the_docs(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, token=TOKEN, name="Ada") as hub:
        room = await hub.join(room_name)
        seen: list[object] = []

        @room.on("metric")
        async def handle(event: rt.Event) -> None:
            await asyncio.sleep(0)
            seen.append(event.data)
            assert threading.current_thread() is threading.main_thread()

        assert await room.emit("metric", {"loss": 0.12})
        receipt = await room.emit("metric", {"loss": 0.11}, wait=False)
        assert await receipt == room.head or await until(lambda: room.head)
        await until(lambda: len(seen) == 2)
        assert [member.name for member in room.members] == ["Ada"]
        assert (await room.history()).data == seen
        assert await room.replay(await room.history(last=1)) == 1
        assert len(seen) == 3
    assert hub.state == "closed"


async def test_async_for_over_events(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub, await hub.join(room_name) as room:
        seen: list[object] = []
        stream = room.events("n", timeout=20)
        for number in range(1500):
            await room.emit("n", number, wait=False)
        async for event in stream:
            seen.append(event.data)
            if len(seen) == 1500:
                break
        assert seen == list(range(1500))


async def test_async_for_ends_after_silence(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub, await hub.join(room_name) as room:
        assert [event async for event in room.events("n", timeout=0.1)] == []


async def test_leaving_ends_async_for(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        room = await hub.join(room_name)
        stream = room.events()
        asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(room.leave()))
        assert [event async for event in stream] == []


async def test_handlers_may_emit_and_replay_and_wait(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        room = await hub.join(room_name)
        seen: list[tuple[str, bool]] = []

        @room.on()
        async def handle(event: rt.Event) -> None:
            seen.append((event.name, event.replay))
            if event.name == "question" and not event.replay:
                await room.emit("answer")
                assert await room.replay([event]) == 1

        await room.emit("question")
        await until(lambda: len(seen) == 3)
        assert sorted(seen) == [("answer", False), ("question", False), ("question", True)]


async def test_join_is_idempotent_for_tasks_at_the_same_time(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        rooms = await asyncio.gather(*(hub.join(room_name) for _ in range(5)))
        assert len(set(map(id, rooms))) == 1


async def test_errors_are_the_same(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        with pytest.raises(errors.BadRoom):
            await hub.join("a b")
        room = await hub.join(room_name)
        with pytest.raises(errors.NotJSON):
            await room.emit("n", {1})
        await room.leave()
        with pytest.raises(errors.NotJoined):
            await room.emit("n")


async def test_a_blocking_handler_does_not_lose_events(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        room = await hub.join(room_name)
        seen: list[int] = []
        gate = asyncio.Event()

        @room.on("n")
        async def handle(event: rt.Event) -> None:
            await gate.wait()
            seen.append(event.data)

        for number in range(100):
            await room.emit("n", number)
        assert seen == []
        gate.set()
        await until(lambda: len(seen) == 100)
        assert seen == list(range(100))
        await until(lambda: room.lag == 0)


async def test_connecting_again_changes_nothing(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        room = await hub.join(room_name)
        assert await hub.connect() is hub
        assert await (await hub.join(room_name)).emit("n", 1) == await room.emit("n", 1) - 1
        assert await (await hub.join(room_name + "-2")).emit("n", 1)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("x" * 65, "65 characters"),
        ("a\nb", r"U\+000A at position 1"),
        ("a\u202eb", r"U\+202E"),
        ("", "empty"),
        (" ", "no visible"),
        ("\u3164", "invisible character U.3164"),
    ],
)
async def test_a_name_that_cannot_be_shown_is_refused_where_it_is_given(name: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        rt.AsyncClient("http://127.0.0.1:1/", TOKEN, name=name)
