"""The event log: `open_log` opens an `EventLog`."""

from .eventlog import EventLog, KeyValueStore, StoredSubscription, SubscriptionStore
from .groupstates import DeadLetter, GroupSettings, GroupStates, HandlerError, StoredFailure, StoredGroup
from .open import open_log
from .options import Options
from .policy import Policy, RoomPolicies
from .ranges import Ranges
from .records import EXPIRED, Appended, Cursor, Draft, Lag, Page, Record, RoomStats, size_of

__all__ = [
    "EXPIRED",
    "Appended",
    "Cursor",
    "DeadLetter",
    "Draft",
    "EventLog",
    "GroupSettings",
    "GroupStates",
    "HandlerError",
    "KeyValueStore",
    "Lag",
    "Options",
    "Page",
    "Policy",
    "Ranges",
    "Record",
    "RoomPolicies",
    "RoomStats",
    "StoredFailure",
    "StoredGroup",
    "StoredSubscription",
    "SubscriptionStore",
    "open_log",
    "size_of",
]
