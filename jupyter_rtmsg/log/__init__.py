"""The event log: `open_log` opens an `EventLog`."""

from .eventlog import EventLog, KeyValueStore, StoredSubscription, SubscriptionStore
from .groupstates import DeadLetter, GroupSettings, GroupStates, HandlerError, StoredFailure, StoredGroup
from .open import open_log
from .options import Options
from .parts import new_key
from .partstore import PartStore
from .policy import Policy, RoomPolicies
from .ranges import Ranges
from .records import EXPIRED, Appended, Cursor, Draft, Lag, Page, Parts, Record, RoomStats, size_of

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
    "PartStore",
    "Parts",
    "Policy",
    "Ranges",
    "Record",
    "RoomPolicies",
    "RoomStats",
    "StoredFailure",
    "StoredGroup",
    "StoredSubscription",
    "SubscriptionStore",
    "new_key",
    "open_log",
    "size_of",
]
