"""Outcomes of deliveries on their way to the hub, against a hub that answers as the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from support.wsclient import until

from jupyter_rtmsg.errors import CommandError, Disconnected
from jupyter_rtmsg.rooms import settlements as module
from jupyter_rtmsg.rooms.delivery import State, WorkDelivery
from jupyter_rtmsg.rooms.settlements import Settlements
from jupyter_rtmsg.wire.data import EncodedJSON


class Hub:
    """Notes the commands, and answers each when the test says how."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[asyncio.Future[dict[str, Any]]] = []

    async def ask(self, command: str, request: Any) -> dict[str, Any]:
        fields = json.loads(request.json) if isinstance(request, EncodedJSON) else request
        self.asked.append((command, fields))
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    def answer(self, *stale: list[int], at: int = -1) -> None:
        self.answers[at].set_result({"ok": True, "stale": list(stale)})

    def refuse(self, error: Exception) -> None:
        self.answers[-1].set_exception(error)


class Worker:
    """A worker's settlements, and what they tell the worker."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.waiting = 0
        self.confirmed: list[tuple[int, bool]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.settlements = Settlements(
            {"room": "lab", "group": "g"}, self.hub, self._spawn, asyncio.get_running_loop().call_soon,  # type: ignore[arg-type]
            self._confirm, lambda reply: None, lambda: self.waiting,
        )  # fmt: skip

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> object:
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        return task

    def _confirm(self, delivery: WorkDelivery, stale: bool) -> None:
        self.confirmed.append((delivery.seq, stale))
        delivery.drop()

    def handed_in(self, seq: int, attempt: int = 1, *, error: Exception | None = None) -> WorkDelivery:
        """Hand in an event whose handler has returned, or raised."""
        delivery = WorkDelivery("tick", None, {"seq": seq, "attempt": attempt}, self.settlements)
        delivery.state = State.RUNNING
        if error is None:
            delivery.returned()
        else:
            delivery.failed(error)
        self.settlements.hand_in(delivery)
        return delivery

    @property
    def sent(self) -> list[tuple[str, list[list[int]]]]:
        return [(command, request["deliveries"]) for command, request in self.hub.asked]


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    worker.settlements.connected()
    yield worker
    worker.settlements.stop()
    for task in worker.tasks:
        task.cancel()


async def test_outcomes_of_one_pass_are_one_command(worker: Worker) -> None:
    for seq in (1, 2, 3):
        worker.handed_in(seq)
    await until(lambda: worker.sent == [("done", [[1, 1], [2, 1], [3, 1]])])
    worker.hub.answer([2, 1])
    await until(lambda: worker.confirmed == [(1, False), (2, True), (3, False)])
    assert await worker.settlements.flushed(30.0)


async def test_outcomes_that_come_while_two_commands_are_under_way_share_the_next(worker: Worker) -> None:
    for seq in (1, 2):
        worker.handed_in(seq)
        await until(lambda: len(worker.sent) == seq)  # noqa: B023
    for seq in (3, 4, 5):
        worker.handed_in(seq)
    await asyncio.sleep(0)
    assert len(worker.sent) == 2
    worker.hub.answer(at=0)
    await until(lambda: len(worker.sent) == 3)
    assert worker.sent[2] == ("done", [[3, 1], [4, 1], [5, 1]])


async def test_a_command_has_a_bounded_number_of_deliveries(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    for seq in range(5):
        worker.handed_in(seq)
    await until(lambda: len(worker.sent) == 2)
    assert [len(deliveries) for _, deliveries in worker.sent] == [3, 2]


async def test_outcomes_that_a_lost_connection_has_swallowed_are_sent_again_in_order(worker: Worker) -> None:
    worker.handed_in(1)
    await until(lambda: worker.sent)
    worker.handed_in(2)
    await until(lambda: len(worker.sent) == 2)
    worker.settlements.lost()
    for answer in worker.hub.answers:
        answer.set_exception(Disconnected("lost"))
    worker.handed_in(3)
    await until(lambda: all(task.done() for task in worker.tasks))
    assert len(worker.sent) == 2  # nothing goes out before the hub has told what is still this client's
    worker.settlements.connected()
    await until(lambda: len(worker.sent) > 2)
    sent_again = [seq for _, deliveries in worker.sent[2:] for seq, _ in deliveries]
    assert sorted(sent_again) == [1, 2, 3]


async def test_what_the_hub_gave_to_another_meanwhile_is_not_sent(worker: Worker) -> None:
    worker.settlements.lost()
    gone, mine = worker.handed_in(1), worker.handed_in(2)
    await asyncio.sleep(0)
    gone.drop()
    worker.settlements.connected()
    await until(lambda: worker.sent == [("done", [[2, 1]])])
    worker.hub.answer()
    await until(lambda: mine.state is State.GONE)


async def test_an_outcome_counts_for_the_attempt_that_came_while_it_was_on_its_way(worker: Worker) -> None:
    delivery = worker.handed_in(1)
    await until(lambda: worker.sent)
    delivery.adopt({"seq": 1, "attempt": 2})
    worker.hub.answer([1, 1])
    await until(lambda: len(worker.sent) == 2)
    assert [1, 2] in worker.sent[1][1]
    assert worker.confirmed == []
    worker.hub.answer()
    await until(lambda: worker.confirmed == [(1, False)])


async def test_a_refused_error_is_sent_again_without_its_text_and_then_let_go(worker: Worker) -> None:
    worker.handed_in(1, error=ValueError("no"))
    await until(lambda: len(worker.sent) == 1)
    assert worker.hub.asked[0][1]["error"]["message"] == "no"
    worker.hub.refuse(CommandError.of("too_large", "too large"))
    await until(lambda: len(worker.sent) == 2)
    assert worker.hub.asked[1][1]["error"] == {"type": "ValueError"}
    worker.hub.refuse(CommandError.of("too_large", "too large"))
    await until(lambda: worker.confirmed == [(1, True)])


async def test_a_busy_hub_is_asked_again_later(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.settlements._retry, "next", lambda: 0.0)
    worker.handed_in(1)
    await until(lambda: worker.sent)
    worker.hub.refuse(CommandError.of("busy", "busy"))
    await until(lambda: len(worker.sent) == 2)
    assert worker.confirmed == []
    assert not await worker.settlements.flushed(0.0)


async def test_only_running_handlers_are_renewed_each_once(worker: Worker) -> None:
    running = WorkDelivery("tick", None, {"seq": 1, "attempt": 1}, worker.settlements)
    running.state = State.RUNNING
    ended = worker.handed_in(2)
    for delivery in (running, ended, running):
        worker.settlements.renew(delivery)
    await until(lambda: len(worker.sent) == 2)
    assert sorted(worker.sent) == [("done", [[2, 1]]), ("working", [[1, 1]])]
    at = [command for command, _ in worker.sent].index("working")
    worker.hub.answer([1, 1], at=at)
    await until(lambda: running.state is State.GONE)
    assert running.working() is False


async def test_outcomes_are_sent_together_when_the_last_waiting_delivery_has_ended(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GATHER", 1_000.0)
    for seq in (1, 2, 3):
        worker.waiting = 4 - seq
        worker.handed_in(seq)
        await asyncio.sleep(0)
    assert worker.sent == []
    worker.waiting = 0
    worker.handed_in(4)
    await until(lambda: worker.sent == [("done", [[1, 1], [2, 1], [3, 1], [4, 1]])])


async def test_an_outcome_does_not_wait_for_a_slow_handler_behind_it(worker: Worker) -> None:
    worker.waiting = 1  # and goes on waiting
    for seq in (1, 2):
        worker.handed_in(seq)
        await until(lambda: worker.sent[-1:] == [("done", [[seq, 1]])])  # noqa: B023


async def test_stopping_sends_nothing_of_what_was_gathered(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER", 0.0)
    worker.waiting = 1
    worker.handed_in(1)
    await asyncio.sleep(0)
    worker.settlements.stop()
    for _ in range(20):
        await asyncio.sleep(0)
    assert (worker.sent, await worker.settlements.flushed(30.0)) == ([], True)
