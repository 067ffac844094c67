"""What a log makes of a file that is older than what its readers have seen."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from support.logs import draft, fill

from jupyter_rtmsg.log import EventLog

Opener = Callable[..., Awaitable[EventLog]]


async def closed(log: EventLog) -> tuple[str, str, int]:
    """Close a log; return what a reader at its head holds."""
    place = log.epoch, log.opening, log.head
    await log.close()
    return place


async def test_each_opening_has_a_name_of_its_own_and_positions_hold_over_a_restart(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    epoch, opening, head = await closed(log)
    again = await open_sqlite()
    assert again.opening != opening
    await fill(again, 2)
    assert again.locate(head, epoch, opening) == head
    assert again.locate(head + 1, epoch, opening) is None  # another event has that position now
    assert again.cut(opening) == head
    assert again.locate(head + 2, epoch, again.opening) == head + 2


async def test_a_position_behind_the_end_of_an_older_copy_holds_no_more_even_when_it_is_given_again(
    open_sqlite: Opener, path: Path
) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    await closed(log)
    shutil.copy(path, path.with_suffix(".copy"))
    log = await open_sqlite()
    await fill(log, 4)
    epoch, opening, head = await closed(log)
    shutil.copy(path.with_suffix(".copy"), path)
    again = await open_sqlite()
    await fill(again, 9)
    assert again.epoch == epoch
    assert again.locate(head, epoch, opening) is None
    assert again.cut(opening) == 3
    assert again.locate(3, epoch, opening) == 3


async def test_a_position_reached_in_memory_is_a_place_in_the_file_that_the_log_was_moved_to(
    open_any: Opener,
) -> None:
    log = await open_any()
    (*_, last) = await fill(log, 3)
    opening = log.opening
    assert log.cut(opening) == last
    await log.append(draft())
    assert log.cut(opening) == last + 1
