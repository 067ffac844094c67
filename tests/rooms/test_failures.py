"""The failures that a room remembers."""

from __future__ import annotations

from typing import Any

from jupyter_rtmsg.client.executor import Call
from jupyter_rtmsg.client.handlers import Handler
from jupyter_rtmsg.event import Event, Sender
from jupyter_rtmsg.rooms.failures import KEPT, FailureLog


def work(event: Event) -> None:
    """Be a handler."""


def call(seq: int) -> Any:
    event = Event("lab", "tick", None, seq, 0, 0, Sender("ann", "script", "ann", "1"))
    handler = Handler.__new__(Handler)
    object.__setattr__(handler, "function", work)
    return Call(handler, (event,), None, lambda call, error: None)


def test_the_newest_failures_are_kept_and_all_are_counted() -> None:
    log = FailureLog()
    for seq in range(KEPT + 5):
        log.worker("g", call(seq), ValueError(f"no {seq}"))
    log.listener(call(999), TypeError("what"))
    failures = log.all()
    assert (len(failures), failures.total) == (KEPT, KEPT + 6)
    assert [failures[-2].handler, failures[-1].handler] == ["work (g)", "work"]
    assert [failures[-2].kind, failures[-1].kind] == ["worker", "listener"]
    assert failures[-1].type == "TypeError"
    assert f"The last {KEPT} of {KEPT + 6} failures." in repr(failures)


def test_without_failures_the_table_says_so() -> None:
    assert "No handler has raised." in repr(FailureLog().all())
