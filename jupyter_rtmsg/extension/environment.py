"""The environment of kernels: the address of the hub, and the scoped token."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from jupyter_server.serverapp import ServerApp

from ..client.address import Address
from ..client.servers import reachable, same_host

WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]", "*": "127.0.0.1"}  # noqa: S104


def kernel_url(serverapp: ServerApp) -> str:
    """Return the base URL under which a process on this machine reaches the server.

    The port is known from the start hook on. Over TLS the certificate must name the host, so a server that listens on
    all addresses is reached by the machine's name, as in Jupyter's own URLs.
    """
    url = str(serverapp.connection_url)
    if serverapp.sock or serverapp.certfile or serverapp.ip not in WILDCARDS:
        return url
    return f"http://{WILDCARDS[serverapp.ip]}:{serverapp.port}{serverapp.base_url}"


def is_own_address(address: str, serverapp: ServerApp, url: str) -> bool:
    """Return whether an address is one of this server's own.

    Parameters
    ----------
    address : str
        A base URL.
    serverapp : ServerApp
    url : str
        The address that kernels got in RTMSG_URL.
    """
    host = f"[{serverapp.ip}]" if ":" in serverapp.ip else serverapp.ip
    bound = f"{urlsplit(serverapp.connection_url).scheme}://{host}:{serverapp.port}{serverapp.base_url}"
    known = [url, str(serverapp.connection_url), os.environ.get("JUPYTERHUB_SERVICE_URL")]
    if not serverapp.sock:
        known += [bound, f"{urlsplit(bound).scheme}://localhost:{serverapp.port}{serverapp.base_url}"]
    try:
        claimed = Address.parse(address)
        own = [reachable(each) for each in known if each]
    except ValueError:
        return False
    return any(same_host(claimed, each) and claimed.path == each.path for each in own)


def certificate_of(serverapp: ServerApp) -> dict[str, str]:
    """Return the variable with the server's certificate file, which kernels trust; empty without one."""
    return {"RTMSG_CAFILE": os.path.abspath(serverapp.certfile)} if serverapp.certfile else {}


class KernelEnvironment:
    """Variables that every kernel and terminal of this server inherits, while it runs."""

    def __init__(self) -> None:
        self._set: dict[str, str] = {}

    def set(self, variables: Mapping[str, str]) -> None:
        """Set variables for the processes started from now on."""
        self._set.update(variables)
        os.environ.update(variables)

    def clear(self) -> None:
        """Remove the variables whose values were not changed since."""
        for name, value in self._set.items():
            if os.environ.get(name) == value:
                del os.environ[name]
        self._set.clear()
