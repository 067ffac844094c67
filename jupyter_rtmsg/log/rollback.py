"""Whether a file that is opened has lost its end: it is an older copy, or its write-ahead log is gone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from .mark import State
from .openings import Openings
from .store import Store

log = logging.getLogger(__name__)


class Before(NamedTuple):
    """What a file held before this opening; it has no epoch if it was just made."""

    epoch: str | None
    commits: int

    @classmethod
    def of(cls, store: Store) -> Before:
        """Look into a file."""
        return cls(store.get("epoch"), store.count_commits())


def lost_events(mark: State | None, before: Before, openings: Openings, head: int) -> int | None:
    """Return how many events the mark tells of that the file does not hold; None if the file is not behind the mark.

    A mark of another epoch says nothing of this file.
    """
    if mark is None or before.epoch not in (None, mark.epoch):
        return None
    if before.epoch is None:
        return mark.head or None
    ahead = mark.commits > before.commits or not openings.has(mark.number, mark.id)
    return max(mark.head - head, 0) if ahead else None


def rollback_warning(path: Path, lost: int | None, before: Before, head: int) -> str | None:
    """Return what users should know of a lost end, and log it."""
    if lost is None:
        return None
    what = f"The last {lost} events that were stored are gone" if lost else "What was stored last is gone, but no event"
    if before.epoch is None:
        warning = f"The log {path} was removed or emptied. {what}; a new log was begun, so history starts anew."
    else:
        warning = (
            f"The log {path} lost its end: its file is older than what was written to it, or its write-ahead log was "
            f"lost. {what}. It goes on after position {head}, and readers who had seen more are told."
        )
    log.error(warning)
    return warning
