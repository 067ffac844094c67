"""The event log: `open_log` opens an `EventLog`."""

from .eventlog import EventLog, KeyValueStore, StoredSubscription, SubscriptionStore
from .open import open_log
from .options import Options
from .policy import Policy, RoomPolicies
from .records import EXPIRED, Appended, Cursor, Draft, Lag, Page, Record, RoomStats, size_of

__all__ = [
    "EXPIRED",
    "Appended",
    "Cursor",
    "Draft",
    "EventLog",
    "KeyValueStore",
    "Lag",
    "Options",
    "Page",
    "Policy",
    "Record",
    "RoomPolicies",
    "RoomStats",
    "StoredSubscription",
    "SubscriptionStore",
    "open_log",
    "size_of",
]
