"""Kernels behind a gateway (``--gateway-url``): each gets the address of the hub, and a key that proves its id."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from jupyter_server.serverapp import ServerApp

PREFIX = "KERNEL_"
"""Gateways pass variables with this prefix to their kernels. Others need a setting of the gateway."""
OURS = PREFIX + "RTMSG_"
KEY = OURS + "KEY"
_START_ANSWER = 3.0  # seconds that the gateway's answer may come after the kernel's own connection

logger = logging.getLogger(__name__)


class Environment(dict[str, str]):
    """Variables for a kernel, some of them secret. Jupyter logs the `repr`, which therefore holds none of them."""

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


class Gateway:
    """The kernels that this server has started through a gateway.

    The gateway chooses the key of a kernel's connection file and does not tell it. So each kernel gets a second key in
    its environment when it is started. These keys are lost when this server ends.

    Jupyter has no hook for the environment of one kernel, so `start` replaces ``start_kernel`` of the kernel manager,
    and `stop` puts it back.

    Parameters
    ----------
    serverapp : ServerApp
    """

    def __init__(self, serverapp: ServerApp) -> None:
        self._serverapp = serverapp
        self._variables: dict[str, str] = {}
        self._keys: dict[str, bytes] = {}
        self._starting: set[asyncio.Future[None]] = set()
        self._start_kernel: Callable[..., Awaitable[str]] | None = None

    @property
    def enabled(self) -> bool:
        """Whether this server's kernels run behind a gateway."""
        return bool(self._serverapp.gateway_config.gateway_enabled)

    def start(self, variables: Mapping[str, str]) -> None:
        """Give these variables to kernels that are started from now on, under names that gateways pass on."""
        for name in [name for name in os.environ if name.startswith(OURS)]:
            del os.environ[name]  # inherited, if this server was started in a kernel of a gateway
        if not self.enabled or self._start_kernel is not None:
            return
        gateway = self._serverapp.gateway_config.url or ""
        if _is_loopback(variables["RTMSG_URL"]) and not _is_loopback(gateway):
            logger.warning(
                "rtmsg: kernels run at %s, where %s is another machine: set c.RtmsgApp.url to an address at which they "
                "reach this server", gateway, variables["RTMSG_URL"],
            )  # fmt: skip
        self._variables = {PREFIX + name: value for name, value in variables.items()}
        self._allow(variables)
        manager: Any = self._serverapp.kernel_manager
        self._start_kernel, manager.start_kernel = manager.start_kernel, self._start

    def stop(self) -> None:
        """Restore the kernel manager."""
        if self._start_kernel is not None:
            manager: Any = self._serverapp.kernel_manager
            self._start_kernel, manager.start_kernel = None, self._start_kernel

    async def find(self, name: str) -> tuple[str, bytes] | None:
        """Return the id and the key of a kernel, or None.

        Parameters
        ----------
        name : str
            The id in the name of its connection file. A kernel that inherited the environment (papermill starts
            such kernels) has a file of its own.
        """
        found = self._find(name)
        if found is None and self._starting:
            await asyncio.wait(self._starting, timeout=_START_ANSWER)
            found = self._find(name)
        return found

    def _find(self, name: str) -> tuple[str, bytes] | None:
        return next(((id, key) for id, key in self._keys.items() if is_named_after(name, id)), None)

    def _allow(self, variables: Mapping[str, str]) -> None:
        """Send the variables by their own names as well, for gateways that are set to pass them on."""
        client = self._serverapp.gateway_config
        allowed = [name for name in client.allowed_envs.split(",") if name]
        client.allowed_envs = ",".join([*allowed, *(name for name in variables if name not in allowed)])

    async def _start(self, *args: Any, env: Mapping[str, str] | None = None, **kwargs: Any) -> str:
        assert self._start_kernel is not None
        key = secrets.token_hex(32)
        started = asyncio.get_running_loop().create_future()
        self._starting.add(started)
        try:
            given = Environment({**(env or {}), **self._variables, KEY: key})
            kernel_id = await self._start_kernel(*args, env=given, **kwargs)
            manager = self._serverapp.kernel_manager
            self._keys = {id: known for id, known in self._keys.items() if id in manager}
            self._keys[kernel_id] = key.encode()
        finally:
            self._starting.discard(started)
            started.set_result(None)
        return kernel_id


def is_named_after(name: str, kernel_id: str) -> bool:
    """Return whether the name of a connection file is a kernel's id; Enterprise Gateway's launchers append to it."""
    return name == kernel_id or name.startswith(f"{kernel_id}_")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
