"""Every error that this package raises on purpose.

::

    RtmsgError
    ├── ProtocolError              the peer broke the protocol: its connection is closed
    │   ├── WebSocketError         ... on the WebSocket layer, with the close code for the peer
    │   └── PacketRefused          ... in the data of one packet: only this packet is refused, the connection stays open
    │       └── TooDeepJSON
    ├── CommandError               the hub refused a command; one class per code
    │   ├── Unauthorized  Forbidden  BadRequest  UnknownCommand  BadRoom  BadEvent  ReservedEvent
    │   ├── TooLarge  TooDeep  NotJoined  EpochMismatch  Conflict  LimitExceeded  RateExceeded
    │   ├── IdConflict  BadProof  Stale  RoomFull  GroupConflict  NotStaged  Gone
    │   └── Busy  Full  DiskError  Shutdown  Internal
    ├── ConnectionRefused          raised by a middleware to refuse a CONNECT, and by the refused client
    ├── LogError                   the log refused an operation
    │   ├── LogBusy  LogFull  LogDiskError  LogClosed
    │   ├── LogConflict  LogIdConflict  LogLimit  LogPartsMissing  LogRoomFull
    │   └── EpochChanged
    ├── ConnectError               the client cannot reach a hub
    │   ├── ServerNotFound  ServerUnreachable
    │   ├── AccessDenied
    │   └── NotDurableError        the hub does not keep events on disk, and ``durable=True`` was given
    ├── EmitTimeout  AckTimeout    (also TimeoutError)
    ├── QueueFull                  too many events wait for a connection
    ├── ExportError                (also ValueError) events do not fit into a file, or a file has no events
    ├── NotJSON                    (also TypeError and ValueError) a value that cannot be sent
    ├── PayloadError               (also ValueError) a table, an array or another payload that cannot be decoded
    │   ├── PayloadRefused  PayloadTooLarge  LibraryTooOld
    │   └── LibraryMissing         (also ImportError)
    ├── WrongCall                  (also TypeError) a wrong call; the message has the right one
    ├── WrongName                  (also AttributeError) an unknown attribute; the message has the right name
    └── Disconnected               the connection ended, or was closed, while a call waited for it

The type says who is at fault: ``ProtocolError`` the peer; ``CommandError``, ``NotJSON``, ``WrongCall`` and
``WrongName`` the caller. A notebook shows errors that the caller can correct in one line, without a traceback through
this package.
"""

from .base import RtmsgError
from .client import (
    AccessDenied,
    AckTimeout,
    ConnectError,
    ConnectionRefused,
    Disconnected,
    EmitTimeout,
    ExportError,
    NotDurable,
    NotDurableError,
    NotJSON,
    QueueFull,
    ServerNotFound,
    ServerUnreachable,
    WrongCall,
    WrongName,
)
from .commands import (
    COMMAND_ERRORS,
    BadEvent,
    BadProof,
    BadRequest,
    BadRoom,
    Busy,
    CommandError,
    Conflict,
    DiskError,
    EpochMismatch,
    Forbidden,
    Full,
    Gone,
    GroupConflict,
    IdConflict,
    Internal,
    LimitExceeded,
    NotJoined,
    NotStaged,
    RateExceeded,
    ReservedEvent,
    RoomFull,
    Shutdown,
    Stale,
    TooDeep,
    TooLarge,
    Unauthorized,
    UnknownCommand,
)
from .log import (
    EpochChanged,
    LogBusy,
    LogClosed,
    LogConflict,
    LogDiskError,
    LogError,
    LogFull,
    LogIdConflict,
    LogLimit,
    LogPartsMissing,
    LogRoomFull,
)
from .payloads import LibraryMissing, LibraryTooOld, PayloadError, PayloadRefused, PayloadTooLarge
from .protocol import (
    PacketRefused,
    ProtocolError,
    TooDeepJSON,
    WebSocketError,
)

__all__ = [
    "COMMAND_ERRORS",
    "AccessDenied",
    "AckTimeout",
    "BadEvent",
    "BadProof",
    "BadRequest",
    "BadRoom",
    "Busy",
    "CommandError",
    "Conflict",
    "ConnectError",
    "ConnectionRefused",
    "Disconnected",
    "DiskError",
    "EmitTimeout",
    "EpochChanged",
    "EpochMismatch",
    "ExportError",
    "Forbidden",
    "Full",
    "Gone",
    "GroupConflict",
    "IdConflict",
    "Internal",
    "LibraryMissing",
    "LibraryTooOld",
    "LimitExceeded",
    "LogBusy",
    "LogClosed",
    "LogConflict",
    "LogDiskError",
    "LogError",
    "LogFull",
    "LogIdConflict",
    "LogLimit",
    "LogPartsMissing",
    "LogRoomFull",
    "NotDurable",
    "NotDurableError",
    "NotJSON",
    "NotJoined",
    "NotStaged",
    "PacketRefused",
    "PayloadError",
    "PayloadRefused",
    "PayloadTooLarge",
    "ProtocolError",
    "QueueFull",
    "RateExceeded",
    "ReservedEvent",
    "RoomFull",
    "RtmsgError",
    "ServerNotFound",
    "ServerUnreachable",
    "Shutdown",
    "Stale",
    "TooDeep",
    "TooDeepJSON",
    "TooLarge",
    "Unauthorized",
    "UnknownCommand",
    "WebSocketError",
    "WrongCall",
    "WrongName",
]

# Tracebacks and help() name an error after this package, where it is imported from.
for _error in list(globals().values()):
    if isinstance(_error, type) and _error.__module__.startswith(__name__):
        _error.__module__ = __name__
del _error
