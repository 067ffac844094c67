"""Activity of the Jupyter server and of its kernels, which keeps them from being stopped as idle.

Jupyter's `shutdown_no_activity_timeout`, its culling of kernels and JupyterHub compare times of the latest activity.
`ExtensionApp.current_activity` changes none of these times: Jupyter reads it once a minute, and only for its own
shutdown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from jupyter_server.serverapp import ServerApp

from ..hub import Participant

SETTING = "rtmsg_last_activity"
"""Jupyter's `web_app.last_activity` reads every setting whose name ends with ``_last_activity``."""
INTERVAL = 1.0
"""Seconds between two updates of the same time, so that fast publishing stays cheap."""


class ServerActivity:
    """The `Activity` of the hub: sets the times of the latest activity of the server and of each kernel.

    Publishing is activity, and so is the acknowledgement of a kernel, whose handlers have run. Delivery, joining,
    reading and heartbeats are not: one publisher would keep every server alive that listens to it.

    Parameters
    ----------
    serverapp : ServerApp
    clock : callable, optional
        Seconds; need not start anywhere.
    """

    def __init__(self, serverapp: ServerApp, clock: Callable[[], float] = time.monotonic) -> None:
        self._serverapp = serverapp
        self._clock = clock
        self._server_due = -float("inf")
        self._kernels_due: dict[str, float] = {}

    def published(self, participant: Participant) -> None:
        """Set the times of the server, and of the kernel that published."""
        now = self._clock()
        if now >= self._server_due:
            self._touch_server(now)
        kernel = participant.identity.kernel
        if kernel is not None and now >= self._kernels_due.get(kernel, now):
            self._touch_kernel(kernel, now)

    def acknowledged(self, participant: Participant) -> None:
        """Set the times if a kernel of this server acknowledged. Other listeners are not its activity."""
        if participant.identity.kernel is not None:
            self.published(participant)

    def _touch_server(self, now: float) -> None:
        self._server_due = now + INTERVAL
        self._serverapp.web_app.settings[SETTING] = _utcnow()

    def _touch_kernel(self, kernel_id: str, now: float) -> None:
        # Kernels without a pending interval are dropped, so that ended ones do not pile up.
        self._kernels_due = {known: due for known, due in self._kernels_due.items() if due > now}
        self._kernels_due[kernel_id] = now + INTERVAL
        manager: Any = self._serverapp.kernel_manager
        if kernel_id in manager:
            # Jupyter's culler compares this. Jupyter itself sets it for each message of a kernel.
            manager.get_kernel(kernel_id).last_activity = _utcnow()


def _utcnow() -> datetime:
    return datetime.now(timezone.utc)
