"""The event log: `open_log` opens an `EventLog`."""

from .eventlog import (
    Appended,
    Cursor,
    Draft,
    EventLog,
    Lag,
    Page,
    Record,
    RoomStats,
)
from .kept import Subscription, Subscriptions
from .open import open_log
from .options import Options

__all__ = [
    "Appended",
    "Cursor",
    "Draft",
    "EventLog",
    "Lag",
    "Options",
    "Page",
    "Record",
    "RoomStats",
    "Subscription",
    "Subscriptions",
    "open_log",
]
