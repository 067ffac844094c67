from __future__ import annotations

import pytest
from support.logs import draft

from jupyter_rtmsg.log import intake as module
from jupyter_rtmsg.log.intake import Intake
from jupyter_rtmsg.log.work import Change, Submission


def submission(number: int, size: int = 1) -> Submission:
    return Submission(draft(number), lambda outcome: None, size)


def change() -> Change:
    return Change(lambda connection: None, lambda error: None)


def collected(*items: Submission | Change) -> Intake:
    intake = Intake()
    for item in items:
        intake.put([item])
    intake.collect(0)
    return intake


def test_all_that_was_put_is_in_one_transaction_in_order() -> None:
    appends, changes = [submission(i) for i in range(5)], [change(), change()]
    intake = collected(appends[0], changes[0], *appends[1:], changes[1])
    work = intake.take()
    assert (list(work.submissions), list(work.changes), work.size) == (appends, changes, 5)
    assert not intake


def test_a_transaction_has_a_limited_number_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BATCH", 2)
    intake = collected(*(submission(i) for i in range(5)))
    sizes = []
    while intake:
        sizes.append(len(intake.take().submissions))
    assert sizes == [2, 2, 1]


def test_a_transaction_ends_with_the_event_that_fills_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BATCH_BYTES", 10)
    intake = collected(submission(0, 6), submission(1, 6), submission(2, 100), submission(3, 1))
    assert [intake.take().size for _ in range(3)] == [12, 100, 1]


def test_what_was_put_before_the_stop_is_still_collected() -> None:
    intake = Intake()
    intake.put([submission(0)])
    intake.stop()
    intake.collect(0)
    assert intake.stopping
    assert intake.take().total == 1


def test_collecting_waits_for_no_more_than_the_timeout() -> None:
    intake = Intake()
    intake.collect(0.001)
    assert not intake
    assert not intake.stopping
