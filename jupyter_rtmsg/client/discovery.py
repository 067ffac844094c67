"""Finding the Jupyter server whose hub to use, without importing Jupyter's server."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jupyter_rtmsg.errors import ServerNotFound

from .address import Address

_ANYWHERE = frozenset({"0.0.0.0", "::", "", "[::]"})  # noqa: S104 - what a server may be bound to, not what we bind
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


class Found(NamedTuple):
    """Where to connect, with what token, and how that was found out; ``given``: whether the caller gave the token."""

    url: str
    token: str | None
    how: str
    given: bool = False


def find_server(
    url: str | None = None,
    token: str | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    runtime_dir: Path | None = None,
) -> Found:
    """Find a server: the first of these that there is.

    1. the arguments (the token of a server of your own is looked up);
    2. ``RTMSG_URL`` and ``RTMSG_TOKEN``, which the extension sets for its kernels; behind a gateway they are called
       ``KERNEL_RTMSG_URL`` and ``KERNEL_RTMSG_TOKEN``;
    3. ``JUPYTERHUB_SERVICE_URL`` and ``JUPYTERHUB_API_TOKEN``;
    4. the running server that started this process (``JPY_PARENT_PID``);
    5. the only running server.

    Raises
    ------
    ServerNotFound
        Naming everything that was tried.
    """
    servers = list(_running_servers(runtime_dir or _runtime_dir()))
    if url is not None:
        return _explicit(url, token, environment, servers)
    tried: list[str] = []
    for look in (_variables, _jupyterhub, _parent, _only):
        found = look(environment, servers, tried)
        if found:
            return found._replace(token=token or found.token, given=bool(token))
    raise ServerNotFound(
        "no Jupyter server was found:\n"
        + "\n".join(f"  - {line}" for line in tried)
        + "\nStart one with `jupyter lab`, or pass its address: connect(url, token=...)"
    )


def is_same_server(one: str, other: str) -> bool:
    """Whether two URLs are of one server: ``localhost`` and ``127.0.0.1`` are."""
    return _same(Address.parse(one), other)


def is_known(address: Address, environment: Mapping[str, str] = os.environ, runtime_dir: Path | None = None) -> bool:
    """Whether `find_server` would find this server without being given its URL, were it the only one."""
    named = (_of_kernel(environment)[0], environment.get("JUPYTERHUB_SERVICE_URL"))
    running = (server.get("url") for server in _running_servers(runtime_dir or _runtime_dir()))
    return any(_same(address, url) for url in (*named, *running))


def _explicit(url: str, token: str | None, environment: Mapping[str, str], servers: list[dict[str, Any]]) -> Found:
    address = Address.parse(url)
    token = given = token or address.token
    kernel_url, kernel_token = _of_kernel(environment)
    if token is None and _same(address, kernel_url):
        token = kernel_token
    for server in servers:
        if token is None and _same(address, server.get("url")):
            token = server.get("token") or None
    return Found(address.url, token, "as given", given=bool(given))


def _same(address: Address, url: str | None) -> bool:
    if not url:
        return False
    other = Address.parse(_reachable(url))
    hosts = {address.host, other.host}
    return address.port == other.port and address.path == other.path and (len(hosts) == 1 or hosts <= _LOCAL)


def _variables(environment: Mapping[str, str], _: list[dict[str, Any]], tried: list[str]) -> Found | None:
    url, token = _of_kernel(environment)
    if url:
        return Found(_normal(url), token, "RTMSG_URL")
    tried.append("RTMSG_URL is not set: this is no kernel of a server with the extension, or it was started before it")
    return None


def _of_kernel(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the URL and the token that the extension gives to kernels."""
    for prefix in ("", "KERNEL_"):  # a gateway passes on what begins with KERNEL_
        if url := environment.get(f"{prefix}RTMSG_URL"):
            return url, environment.get(f"{prefix}RTMSG_TOKEN")
    return None, None


def _jupyterhub(environment: Mapping[str, str], _: list[dict[str, Any]], tried: list[str]) -> Found | None:
    url, token = environment.get("JUPYTERHUB_SERVICE_URL"), environment.get("JUPYTERHUB_API_TOKEN")
    if url and token:
        return Found(_normal(url), token, "JUPYTERHUB_SERVICE_URL")
    tried.append("JUPYTERHUB_SERVICE_URL and JUPYTERHUB_API_TOKEN are not set: this is no server of a JupyterHub")
    return None


def _parent(environment: Mapping[str, str], servers: list[dict[str, Any]], tried: list[str]) -> Found | None:
    pid = environment.get("JPY_PARENT_PID")
    for server in servers:
        if pid and str(server.get("pid")) == pid:
            return _found(server, f"the server that started this process (pid {pid})")
    tried.append(f"JPY_PARENT_PID={pid} is no running Jupyter server" if pid else "JPY_PARENT_PID is not set")
    return None


def _only(_: Mapping[str, str], servers: list[dict[str, Any]], tried: list[str]) -> Found | None:
    if len(servers) == 1:
        return _found(servers[0], "the only running server")
    urls = ", ".join(str(server["url"]) for server in servers)
    tried.append(f"{len(servers)} Jupyter servers are running: {urls}" if servers else "no Jupyter server is running")
    return None


def _found(server: Mapping[str, Any], how: str) -> Found:
    return Found(_normal(server["url"]), server.get("token") or None, how)


def _normal(url: str) -> str:
    return Address.parse(_reachable(url)).url


def _reachable(url: str) -> str:
    """Return a URL to connect to, for one that a server is bound to."""
    parts = urlsplit(url)
    if parts.scheme == "http+unix" or (parts.hostname or "") not in _ANYWHERE:
        return url
    port = f":{parts.port}" if parts.port else ""
    return parts._replace(netloc=f"127.0.0.1{port}").geturl()


def _running_servers(directory: Path | None) -> Iterator[dict[str, Any]]:
    """Yield what the running servers say of themselves: jpserver-<pid>.json in Jupyter's runtime directory."""
    for path in sorted(directory.glob("jpserver-*.json")) if directory else ():
        try:
            server = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # it is being written, or somebody else's
        if isinstance(server, dict) and re.match("https?(\\+unix)?://", str(server.get("url"))) and _alive(server):
            yield server


def _alive(server: Mapping[str, Any]) -> bool:
    pid = server.get("pid")
    if type(pid) is not int or pid <= 0:
        return False
    if os.name != "posix":
        return True  # os.kill(pid, 0) would end the process on Windows
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _runtime_dir() -> Path | None:
    try:
        from jupyter_core.paths import jupyter_runtime_dir
    except ImportError:
        return None
    return Path(jupyter_runtime_dir())
