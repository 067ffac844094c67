"""Socket.IO for notebooks, with a memory.

>>> import jupyter_rtmsg as rt
>>> hub = rt.connect()
>>> lab = hub.join("lab")
>>> lab.emit("metric", {"loss": 0.12})

The names below are made when they are first used, so that importing the package costs a kernel next to nothing.
"""

# Imported under names of their own, since `rt.<Tab>` lists what has no underscore.
import importlib as _importlib
import sys as _sys
import typing as _typing

if _typing.TYPE_CHECKING:
    __version__: str
    from .client.socket import SocketClient
    from .client.sync import Socket
    from .errors import NotDurable, RtmsgError
    from .event import Event, Sender
    from .payloads.registry import payload
    from .rooms.async_client import AsyncClient
    from .rooms.async_room import AsyncRoom
    from .rooms.connect import connect
    from .rooms.dashboard import dashboard
    from .rooms.history import Events
    from .rooms.members import Member
    from .rooms.notify import notify, watch_run
    from .rooms.receipt import Receipt
    from .rooms.room import Room
    from .rooms.sync import Client

_HOMES = {
    "AsyncClient": "rooms.async_client",
    "AsyncRoom": "rooms.async_room",
    "Client": "rooms.sync",
    "Event": "event",
    "Events": "rooms.history",
    "Member": "rooms.members",
    "NotDurable": "errors",
    "Receipt": "rooms.receipt",
    "Room": "rooms.room",
    "RtmsgError": "errors",
    "Sender": "event",
    "Socket": "client.sync",
    "SocketClient": "client.socket",
    "connect": "rooms.connect",
    "dashboard": "rooms.dashboard",
    "notify": "rooms.notify",
    "payload": "payloads.registry",
    "watch_run": "rooms.notify",
}

_MODULES = ("errors", "server", "widgets")  # that people import

__all__ = [
    "AsyncClient",
    "AsyncRoom",
    "Client",
    "Event",
    "Events",
    "Member",
    "NotDurable",
    "Receipt",
    "Room",
    "RtmsgError",
    "Sender",
    "Socket",
    "SocketClient",
    "connect",
    "dashboard",
    "notify",
    "payload",
    "watch_run",
]


def __getattr__(name: str) -> _typing.Any:
    if name == "errors":
        return _importlib.import_module(".errors", __name__)
    if name == "__version__":
        return _version()
    home = _HOMES.get(name)
    if home is None:
        _importlib.import_module(".advice", __name__).no_such_module_name(__name__, name)
    if name == "connect":
        _define_magic()
    value = globals()[name] = getattr(_importlib.import_module(f".{home}", __name__), name)
    return value


def load_ipython_extension(shell: _typing.Any) -> None:
    """Define ``%rtmsg``; IPython calls this for ``%load_ext jupyter_rtmsg``."""
    _importlib.import_module(".magics", __name__).load(shell)


def unload_ipython_extension(shell: _typing.Any) -> None:
    """Take ``%rtmsg`` out; IPython calls this for ``%unload_ext jupyter_rtmsg``."""
    _importlib.import_module(".magics", __name__).unload(shell)


def _define_magic() -> None:
    """Define ``%rtmsg`` if IPython runs this process."""
    get_shell = getattr(_sys.modules.get("IPython"), "get_ipython", None)
    shell = get_shell and get_shell()
    if shell is not None:
        load_ipython_extension(shell)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("jupyter_rtmsg")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES, "__all__", "__doc__", "__file__", "__name__", "__version__"])


def _jupyter_server_extension_points() -> list[dict[str, _typing.Any]]:
    # Imported here and by name, since kernels and widgets import this package and need no Jupyter server for it.
    return [{"module": "jupyter_rtmsg", "app": _importlib.import_module(".extension", __name__).RtmsgApp}]
