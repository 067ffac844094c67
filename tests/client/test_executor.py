"""Executors run one call after the other, and end with their loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from jupyter_rtmsg.client.executor import Call, TaskExecutor
from jupyter_rtmsg.client.handlers import Handler


def test_a_loop_that_ends_begins_no_further_call() -> None:
    begun: list[int] = []
    failed: list[BaseException] = []

    async def wait(number: int) -> None:
        begun.append(number)
        if number == 1:
            await asyncio.Event().wait()

    def calls() -> Iterator[Call]:
        handler = Handler(wait, "n")
        for number in (1, 2):
            yield Call(handler, (number,), failed=lambda call, error: failed.append(error))

    async def main() -> None:
        TaskExecutor(calls, "executor").wake()
        while not begun:  # noqa: ASYNC110 - the handler is called in a later turn
            await asyncio.sleep(0)

    asyncio.run(main())  # cancels both the handler and the executor's task
    assert (begun, failed) == ([1], [])


async def test_a_cancelled_handler_is_a_failure_and_the_next_call_begins() -> None:
    done = asyncio.Event()
    failed: list[type[BaseException]] = []

    async def give_up() -> None:
        raise asyncio.CancelledError

    async def finish() -> None:
        done.set()

    calls = [
        Call(Handler(give_up, "n"), (), failed=lambda call, error: failed.append(type(error))),
        Call(Handler(finish, "n"), ()),
    ]
    TaskExecutor(lambda: iter(calls), "executor").wake()
    await done.wait()
    assert failed == [asyncio.CancelledError]
