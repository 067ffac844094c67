"""Where events live: `open_log` makes an `EventLog`."""

from .eventlog import (
    Appended,
    Cursor,
    CursorKey,
    Cursors,
    Draft,
    EventLog,
    Lag,
    Page,
    Record,
    RoomStats,
)
from .open import open_log
from .options import Options

__all__ = [
    "Appended",
    "Cursor",
    "CursorKey",
    "Cursors",
    "Draft",
    "EventLog",
    "Lag",
    "Options",
    "Page",
    "Record",
    "RoomStats",
    "open_log",
]
