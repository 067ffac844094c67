"""A Socket.IO server for Tornado, useful alone: it knows nothing of Jupyter, the log or the hub."""

from .broadcast import BroadcastOperator
from .bundle import BundleRequests, bundle_pattern
from .engine import Engine, paths_below
from .handler import EngineHandler, EngineRequests
from .namespace import Namespace
from .namespaces import ParentNamespace
from .recovery import MemoryRecovery, Recovery
from .rejection import Refused, RefusedRequest
from .request import Request
from .server import Server
from .session import Session
from .socket import LATER, NOT_ROUTED, Handshake, Socket

__all__ = [
    "LATER",
    "NOT_ROUTED",
    "BroadcastOperator",
    "BundleRequests",
    "Engine",
    "EngineHandler",
    "EngineRequests",
    "Handshake",
    "MemoryRecovery",
    "Namespace",
    "ParentNamespace",
    "Recovery",
    "Refused",
    "RefusedRequest",
    "Request",
    "Server",
    "Session",
    "Socket",
    "bundle_pattern",
    "paths_below",
]
