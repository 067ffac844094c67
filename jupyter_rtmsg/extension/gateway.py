"""Kernels behind a gateway (``--gateway-url``): they are told where the hub is, and which kernel each of them is."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jupyter_server.serverapp import ServerApp

PREFIX = "KERNEL_"
"""A gateway passes variables with this prefix on to its kernels, and others only if it was told to."""
OURS = PREFIX + "RTMSG_"
ID, KEY = OURS + "ID", OURS + "KEY"
_START_TIMEOUT = 30.0  # seconds that the gateway may take to say which kernel it has started


logger = logging.getLogger("jupyter_rtmsg")


class Secret(NamedTuple):
    """What one kernel was given to prove itself, and the id that the gateway gave that kernel."""

    key: bytes
    kernel_id: asyncio.Future[str]


class Environment(dict[str, str]):
    """Variables for a kernel. Jupyter writes them to its log as they show themselves, and among them are secrets."""

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


class Gateway:
    """The kernels that this server has started through a gateway.

    The gateway chooses the key of a kernel's connection file and keeps it to itself. So each kernel gets a secret of
    its own in its environment when it is started; it is not kept beyond the life of this server.

    Parameters
    ----------
    serverapp : ServerApp
    """

    def __init__(self, serverapp: ServerApp) -> None:
        self._serverapp = serverapp
        self._variables: dict[str, str] = {}
        self._secrets: dict[str, Secret] = {}
        self._start_kernel: Callable[..., Awaitable[str]] | None = None

    @property
    def enabled(self) -> bool:
        """Whether this server's kernels run behind a gateway."""
        return bool(self._serverapp.gateway_config.gateway_enabled)

    def start(self, variables: Mapping[str, str]) -> None:
        """Have kernels that are started from now on get these variables, under names that gateways pass on."""
        for name in [name for name in os.environ if name.startswith(OURS)]:
            del os.environ[name]  # of a gateway's kernel in which this server was started
        if not self.enabled or self._start_kernel is not None:
            return
        gateway = self._serverapp.gateway_config.url or ""
        if _is_loopback(variables["RTMSG_URL"]) and not _is_loopback(gateway):
            logger.warning(
                "rtmsg: kernels run at %s, where %s is another machine: set c.RtmsgApp.url to this server's address as "
                "they reach it", gateway, variables["RTMSG_URL"],
            )  # fmt: skip
        self._variables = {PREFIX + name: value for name, value in variables.items()}
        self._allow(variables)
        # Jupyter has no hook for the environment of a single kernel.
        manager: Any = self._serverapp.kernel_manager
        self._start_kernel, manager.start_kernel = manager.start_kernel, self._start

    def stop(self) -> None:
        """Have kernels started as if this had never been."""
        if self._start_kernel is not None:
            manager: Any = self._serverapp.kernel_manager
            self._start_kernel, manager.start_kernel = None, self._start_kernel

    async def secret(self, name: str) -> tuple[str, bytes] | None:
        """Return the id and the key of the kernel that was given this name for itself, or None."""
        secret = self._secrets.get(name)
        if secret is None:
            return None
        try:  # a kernel may be quicker than the gateway's answer
            kernel_id = await asyncio.wait_for(asyncio.shield(secret.kernel_id), _START_TIMEOUT)
        except asyncio.TimeoutError:
            return None
        return (kernel_id, secret.key) if kernel_id else None

    def _allow(self, variables: Mapping[str, str]) -> None:
        """Let the variables travel by their own names as well: a gateway that allows them hands these on, too."""
        client = self._serverapp.gateway_config
        allowed = [name for name in client.allowed_envs.split(",") if name]
        client.allowed_envs = ",".join([*allowed, *(name for name in variables if name not in allowed)])

    async def _start(self, *args: Any, env: Mapping[str, str] | None = None, **kwargs: Any) -> str:
        assert self._start_kernel is not None
        self._forget()
        name, key = secrets.token_hex(16), secrets.token_hex(32)
        secret = self._secrets[name] = Secret(key.encode(), asyncio.get_running_loop().create_future())
        try:
            given = Environment({**(env or {}), **self._variables, ID: name, KEY: key})
            kernel_id = await self._start_kernel(*args, env=given, **kwargs)
        except BaseException:
            del self._secrets[name]
            secret.kernel_id.set_result("")  # of no kernel
            raise
        secret.kernel_id.set_result(kernel_id)
        return kernel_id

    def _forget(self) -> None:
        """Forget the secrets of kernels that are no more."""
        manager = self._serverapp.kernel_manager
        ended = [
            name
            for name, (_, kernel_id) in self._secrets.items()
            if kernel_id.done() and kernel_id.result() not in manager
        ]
        for name in ended:
            del self._secrets[name]


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
