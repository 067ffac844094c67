"""Who shares the event loop with whom, and when what waits goes on."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest
from support.wsclient import until

from jupyter_rtmsg.server import Engine, turns
from jupyter_rtmsg.server.turns import LEAST_SECONDS, SHARED_SECONDS, TURN_SECONDS, Turns


async def round_of_the_loop() -> None:
    for _ in range(2):
        await asyncio.sleep(0)


async def test_a_principal_that_used_its_turn_waits_for_the_next_pass_of_the_loop() -> None:
    shares, order = Turns(), []
    greedy, other = shares.of("greedy"), shares.of("other")
    assert not greedy.over
    greedy.charge(TURN_SECONDS)
    assert greedy.over
    assert not other.over
    greedy.wait(lambda: order.append("greedy"))
    asyncio.get_running_loop().call_soon(order.append, "others")
    order.append("now")
    await round_of_the_loop()
    assert order == ["now", "greedy", "others"]
    assert not greedy.over


async def test_sessions_of_one_principal_share_a_turn_and_go_on_in_order() -> None:
    shares, order = Turns(), []
    greedy, modest = shares.of("greedy"), shares.of("modest")

    def use(name: str) -> None:
        order.append(name)
        greedy.charge(TURN_SECONDS)

    for name in ("first", "second", "third"):
        greedy.wait(lambda name=name: use(name))
    modest.wait(lambda: order.append("modest"))
    await asyncio.sleep(0)
    assert order == ["first", "modest"]
    assert greedy.over  # what comes now stands behind those that wait
    greedy.wait(lambda: order.append("late"))
    for _ in range(4):
        await asyncio.sleep(0)
    assert order == ["first", "modest", "second", "third", "late"]


async def test_a_failing_task_does_not_stop_the_others() -> None:
    """Neither the other sessions of its principal, nor those of others."""
    shares, order, told = Turns(), [], []
    greedy, modest = shares.of("greedy"), shares.of("modest")
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
    greedy.wait(lambda: 1 // 0)
    greedy.wait(lambda: order.append("greedy"))
    modest.wait(lambda: order.append("modest"))
    await round_of_the_loop()
    assert order == ["greedy", "modest"]
    assert [type(error) for error in told] == [ZeroDivisionError]


async def test_those_that_begin_at_once_stop_when_the_first_has_used_the_turn() -> None:
    share = Turns().of("greedy")
    order = []

    async def work(name: int) -> None:
        await share.turn()
        order.append(name)
        share.charge(TURN_SECONDS)

    tasks = [asyncio.create_task(work(name)) for name in range(3)]
    seen = []
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        seen.append(len(order))
    assert order == [0, 1, 2]
    assert {1, 2} <= set(seen)


@pytest.fixture
def rests(monkeypatch: Any) -> list[float]:
    """The seconds of each rest, as they begin."""
    begun: list[float] = []
    later = asyncio.BaseEventLoop.call_later

    def call_later(loop: Any, delay: float, callback: Any, *args: Any, **options: Any) -> Any:
        if getattr(callback, "__func__", None) is Turns._go_on:
            begun.append(delay)
        return later(loop, delay, callback, *args, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_later", call_later)
    return begun


async def test_after_a_turn_that_was_much_too_long_its_principal_rests(rests: list[float]) -> None:
    shares, order = Turns(), []
    share, other = shares.of("greedy"), shares.of("other")
    other.charge(0.001)
    share.charge(3 * TURN_SECONDS)
    for name in ("first", "second"):
        share.wait(lambda name=name: order.append(name))
    await round_of_the_loop()
    assert (order, rests) == ([], [pytest.approx(TURN_SECONDS)])  # once, for both
    assert share.over
    await until(lambda: order == ["first", "second"])
    assert not share.over
    share.charge(100.0)
    share.wait(lambda: order.append("third"))
    await round_of_the_loop()
    assert rests[-1] == turns.LONGEST_REST
    await until(lambda: order[-1] == "third")


async def test_a_principal_that_is_alone_does_not_rest(rests: list[float], monkeypatch: Any) -> None:
    """A user whose handlers took 20 ms each was held up for 10 ms behind each of them, on an idle server."""
    shares, order = Turns(), []
    share = shares.of("ann")
    monkeypatch.setattr(turns, "ALONE", 0.0)  # the first turn of all follows nobody's
    for number in range(3):
        share.charge(4 * TURN_SECONDS)
        share.wait(lambda number=number: order.append(number))
        await round_of_the_loop()
    assert (order, rests) == ([0, 1, 2], [])


async def test_a_turn_ends_with_the_pass_of_the_loop() -> None:
    """What was used before does not make a steady client wait: its events used to be split into two writes."""
    share = Turns().of("ann")
    for _ in range(10):
        assert not share.over
        share.charge(TURN_SECONDS)
        assert share.over
        await round_of_the_loop()


async def test_beside_others_turns_are_short(monkeypatch: Any) -> None:
    """An event of somebody else takes several passes of the loop, each of which lasted for a whole turn."""
    shares = Turns()
    greedy, other = shares.of("greedy"), shares.of("other")
    other.charge(LEAST_SECONDS)
    greedy.charge(LEAST_SECONDS)
    await round_of_the_loop()
    greedy.charge(SHARED_SECONDS)
    assert greedy.over
    monkeypatch.setattr(turns, "ALONE", 0.0)  # nobody else came for long
    await round_of_the_loop()
    greedy.charge(SHARED_SECONDS)
    assert not greedy.over


async def test_opening_a_session_is_charged_to_its_principal(serve: Any, monkeypatch: Any) -> None:
    """Strangers that opened one session after the other took all of the loop's time: nobody was charged with that."""
    served = await serve()
    charged: list[float] = []
    charge = turns.Share.charge

    def note(self: turns.Share, seconds: float) -> None:
        charged.append(seconds)
        charge(self, seconds)

    monkeypatch.setattr(turns.Share, "charge", note)
    await served.open()  # it sends nothing
    assert charged


async def test_a_coroutine_begins_in_a_turn_and_its_steps_are_charged() -> None:
    share = Turns().of("greedy")

    async def work(wait: asyncio.Future[int]) -> int:
        begun = time.perf_counter()
        while time.perf_counter() - begun < TURN_SECONDS:
            pass
        try:
            return await wait
        except ValueError as error:
            return len(str(error))

    first, second = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    tasks = [asyncio.ensure_future(_in_turn(work(wait), share)) for wait in (first, second)]
    await asyncio.sleep(0)
    assert share.used >= TURN_SECONDS
    assert len(share.waiting) == 1  # the other one
    first.set_result(7)
    assert await tasks[0] == 7
    second.set_exception(ValueError("four"))
    assert await tasks[1] == 4


async def test_a_coroutine_that_is_cancelled_before_its_turn_is_closed(recwarn: Any) -> None:
    share = Turns().of("greedy")
    share.charge(TURN_SECONDS)
    task = asyncio.ensure_future(_in_turn(asyncio.sleep(0), share))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()
    assert not recwarn.list


async def _in_turn(coroutine: Any, share: Any) -> Any:
    return await share.run(coroutine, time.perf_counter)


async def test_a_share_is_forgotten_with_the_last_session_of_its_principal() -> None:
    shares = Turns()
    share = shares.of("ann")
    assert shares.of("ann") is share
    del share
    gc.collect()
    assert not shares._shares


async def test_a_flood_over_many_connections_leaves_others_their_turn(serve: Any, monkeypatch: Any) -> None:
    """Each session used to have a turn of its own, so that many of one user's came before everybody else's next one."""
    served = await serve()
    log: list[str] = []

    def work(who: str) -> None:
        log.append(who)
        if who == "greedy":
            time.sleep(0.001)  # what is asked is much work

    @served.io.use
    def know(socket: Any) -> None:
        socket.user = socket.auth["user"]

    served.io.on("connection", lambda socket: socket.on("work", work))
    greedy = [await served.enter(auth={"user": "greedy"}) for _ in range(20)]
    modest = await served.enter(auth={"user": "modest"})
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.005)
    for client in greedy:
        client.send(*['42["work","greedy"]'] * 50)
    await until(lambda: log)
    modest.send('42["work","modest"]')
    await until(lambda: "modest" in log)
    assert log.index("modest") < 500
    await until(lambda: len(log) == 1_001)


async def test_coroutine_handlers_that_wait_for_nothing_leave_others_their_turn(serve: Any) -> None:
    """All events that a session had waiting used to be handled in one step of the loop, if none had to wait."""
    served = await serve()
    log: list[str] = []

    async def work(who: str) -> None:
        log.append(who)
        if who == "greedy":
            time.sleep(0.0005)  # noqa: ASYNC251 - what is asked is much work

    @served.io.use
    def know(socket: Any) -> None:
        socket.user = socket.auth["user"]

    served.io.on("connection", lambda socket: socket.on("work", work))
    greedy = [await served.enter(auth={"user": "greedy"}) for _ in range(4)]
    modest = await served.enter(auth={"user": "modest"})
    for client in greedy:
        client.send(*['42["work","greedy"]'] * 500)
    await until(lambda: log)
    modest.send('42["work","modest"]')
    await until(lambda: "modest" in log)
    assert log.index("modest") < 1_000
    await until(lambda: len(log) == 2_001)


async def test_steps_of_coroutines_count_and_go_on_in_the_turn_of_their_principal() -> None:
    share, order = Turns().of("greedy"), []
    loop = asyncio.get_running_loop()
    go_on: asyncio.Future[None] = loop.create_future()

    async def work(name: str) -> str:
        order.append(name)
        await go_on
        order.append(name)
        share.charge(TURN_SECONDS)
        return name

    tasks = [asyncio.create_task(share.run(work(name), lambda: 0.0)) for name in ("first", "second")]
    await round_of_the_loop()
    go_on.set_result(None)
    seen = []
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        seen.append(order.count("first") + order.count("second"))
    assert order == ["first", "second", "first", "second"]
    assert seen.count(3) >= 1  # the second one waited for another turn
    assert [task.result() for task in tasks] == ["first", "second"]


async def test_a_coroutine_in_a_turn_is_cancelled_and_raises_as_any_other() -> None:
    share, times = Turns().of("ann"), iter(range(10))

    async def fail() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise ValueError("cancelled") from None

    task = asyncio.create_task(share.run(fail(), lambda: float(next(times))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(ValueError, match="cancelled"):
        await task
    assert share.used == 2.0


async def test_events_that_wait_for_a_turn_are_handled_in_order_even_if_the_client_leaves(serve: Any) -> None:
    served = await serve()
    seen: list[int] = []

    def work(number: int) -> None:
        seen.append(number)
        time.sleep(0.0005)

    served.io.on("connection", lambda socket: socket.on("work", work))
    clients = [await served.enter() for _ in range(4)]
    for start, client in enumerate(clients):
        client.send(*[f'42["work",{number}]' for number in range(start * 1_000, start * 1_000 + 300)])
    for client in clients[:2]:
        client.writer.close()
    await until(lambda: len(seen) == 1_200)
    for start in range(4):
        mine = [number for number in seen if number // 1_000 == start]
        assert mine == list(range(start * 1_000, start * 1_000 + 300))


def test_a_rest_left_by_a_stopped_loop_delays_nobody_on_the_next_loop() -> None:
    """A server may listen again on another loop: the timer that ends a rest was lost with the first one."""
    engine = Engine()

    async def rest() -> None:
        engine.turns.of("bob").charge(TURN_SECONDS)
        engine.turns.of("ann").charge(10 * TURN_SECONDS)
        await round_of_the_loop()
        assert engine.turns.of("ann").over
        await engine.close()

    async def listen_again() -> None:
        engine.reopen()
        assert not engine.turns.of("ann").over

    asyncio.run(rest())
    asyncio.run(listen_again())
