"""What others can cause is logged a few times, and then counted."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from support.logs import Clock

from jupyter_rtmsg.logthrottle import LogThrottle, throttled_logger


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logger(clock: Clock) -> Iterator[logging.Logger]:
    logger = logging.getLogger("jupyter_rtmsg.test")
    throttle = LogThrottle(clock)
    logger.addFilter(throttle)
    yield logger
    logger.removeFilter(throttle)


def test_of_many_messages_of_a_kind_a_handful_is_logged_with_their_number(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(10_000):
        logger.warning("refused %d", number)
    assert len(caplog.messages) == 7
    assert caplog.messages[:3] == ["refused 0", "refused 1", "refused 2"]
    assert caplog.messages[-1] == "refused 9999 (the 10,000th message like this; most are left out)"


def test_each_kind_and_level_is_counted_by_itself(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(9):
        logger.warning("one %d", 1)
        logger.error("one %d", 1)
        logger.warning("other")
    assert len(caplog.messages) == 9


def test_a_message_is_logged_again_after_a_quiet_minute(
    logger: logging.Logger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for pause in (0, 59, 59, 59, 59, 61):
        clock.now += pause
        logger.warning("refused")
    assert len(caplog.messages) == 4


def test_kinds_that_are_remembered_are_bounded(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(10_000):
        logger.handle(logging.makeLogRecord({"msg": f"text {number}", "levelno": logging.WARNING}))
    (throttle,) = logger.filters
    assert len(throttle._kinds) == 256  # type: ignore[union-attr]


def test_a_module_has_one_throttle() -> None:
    name = "jupyter_rtmsg.test.module"
    assert throttled_logger(name) is throttled_logger(name)
    assert len(throttled_logger(name).filters) == 1


def test_a_message_is_cut_where_others_made_it_long(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    logger.warning("refused %s", "x" * 1_000_000)
    assert len(caplog.messages[0]) < 2_100


def test_exceptions_from_different_lines_are_different_kinds(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        try:
            raise ValueError
        except ValueError:
            logger.exception("a handler raised")
        try:
            raise ValueError
        except ValueError:
            logger.exception("a handler raised")
    assert len(caplog.messages) == 8
