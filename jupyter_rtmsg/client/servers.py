"""The Jupyter servers that this process can know: from its environment, and from Jupyter's runtime directory."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .address import Address

_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - no bind()
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_MAX_TOKEN_FILE = 4096  # bytes


class RunningServer(NamedTuple):
    """A server that runs: its address, its token if it lists one, its process id, and its root directory."""

    address: Address
    token: str | None
    pid: int
    root: str

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address.url} in {self.root}>"

    def is_at(self, address: Address) -> bool:
        """Return whether an address is that of this server, or of one of its pages."""
        return same_host(self.address, address) and address.is_page_of(self.address.path)


def running_servers(directory: Path | None = None) -> list[RunningServer]:
    """Return the running servers whose ``jpserver-<pid>.json`` and process belong to this user."""
    directory = directory or _runtime_dir()
    return list(_read(directory)) if directory else []


def scoped_token(directory: Path | None = None) -> str | None:
    """Return the token that the extension writes, for programs of this user, into Jupyter's data directory."""
    directory = directory or _data_dir()
    if directory is None:
        return None
    try:
        with (directory / "rtmsg" / "token").open(encoding="ascii") as file:
            return file.read(_MAX_TOKEN_FILE).strip() or None if _is_ours(os.fstat(file.fileno()).st_uid) else None
    except (OSError, ValueError):
        return None


def same_host(one: Address, other: Address) -> bool:
    """Return whether two addresses have the same host and port; the names of the loopback interface are one host."""
    hosts = {one.host, other.host}
    return (one.port, one.unix) == (other.port, other.unix) and (len(hosts) == 1 or hosts <= _LOCAL)


def is_same_server(one: str, other: str) -> bool:
    """Return whether two URLs are of one server; the names of the loopback interface are one host."""
    first, second = Address.parse(one), Address.parse(other)
    return same_host(first, second) and first.path == second.path


def reachable(url: str) -> Address:
    """Return the address to connect to, for the URL of a server that may be bound to all addresses."""
    parts = urlsplit(url)
    host = _WILDCARDS.get(parts.hostname or "") if parts.scheme != "http+unix" else None
    if host is None:
        return Address.parse(url)
    return Address.parse(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host).geturl())


def is_known(address: Address, environment: Mapping[str, str] = os.environ, runtime_dir: Path | None = None) -> bool:
    """Return whether the environment names a server, or it is one of this user on this machine."""
    named = (kernel_variables(environment)[0], environment.get("JUPYTERHUB_SERVICE_URL"))
    return any(is_page(address, url) for url in named if url) or any(
        server.is_at(address) for server in running_servers(runtime_dir)
    )


def kernel_variables(environment: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    """Return the URL, the token and the certificate's file that the extension puts into the environment of kernels."""
    for prefix in ("", "KERNEL_"):  # a gateway passes variables on that begin with KERNEL_
        if url := environment.get(f"{prefix}RTMSG_URL"):
            return url, environment.get(f"{prefix}RTMSG_TOKEN"), environment.get(f"{prefix}RTMSG_CAFILE")
    return None, None, None


def is_page(address: Address, url: str) -> bool:
    """Return whether an address is a page of the server with that URL."""
    base = reachable(url)
    return same_host(base, address) and address.is_page_of(base.path)


def _read(directory: Path) -> Iterator[RunningServer]:
    for path in sorted(directory.glob("jpserver-*.json")):
        try:
            with path.open(encoding="utf-8") as file:
                server = json.load(file) if _is_ours(os.fstat(file.fileno()).st_uid) else None
        except (OSError, ValueError):
            continue  # half written, or another user's
        if isinstance(server, dict) and re.match(r"https?(\+unix)?://", str(server.get("url"))) and _alive(server):
            yield RunningServer(
                _bound(server), str(server.get("token") or "") or None, server["pid"], str(server.get("root_dir") or "")
            )


def _bound(server: Mapping[str, Any]) -> Address:
    """Return the address to connect to.

    Over TLS that is the server's URL, since the certificate may name its host. Otherwise it is the address to which the
    server is bound, since the URL may contain the name of the machine.
    """
    address = reachable(str(server["url"]))
    host = _WILDCARDS.get(str(server.get("hostname")))
    if address.secure or address.unix or host is None or address.host in _LOCAL:
        return address
    return Address.parse(f"http://{host}:{address.port}{address.path}")


def _alive(server: Mapping[str, Any]) -> bool:
    pid = server.get("pid")
    if type(pid) is not int or pid <= 0:
        return False
    if os.name != "posix":
        return True  # on Windows os.kill(pid, 0) would end the process
    try:
        os.kill(pid, 0)
    except (
        ProcessLookupError,
        PermissionError,
        OverflowError,
    ):  # it has ended, or another user's process has its number
        return False
    return True


def _is_ours(uid: int) -> bool:
    return os.name != "posix" or uid == os.geteuid()


def _runtime_dir() -> Path | None:
    try:
        from jupyter_core.paths import jupyter_runtime_dir
    except ImportError:
        return None
    return Path(jupyter_runtime_dir())


def _data_dir() -> Path | None:
    try:
        from jupyter_core.paths import jupyter_data_dir
    except ImportError:
        return None
    return Path(jupyter_data_dir())
