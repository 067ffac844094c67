"""What counts as activity of the Jupyter server and of its kernels, for all who stop what is idle.

Jupyter's `shutdown_no_activity_timeout`, its culling of kernels and JupyterHub compare times of the latest activity.
`ExtensionApp.current_activity` reaches none of these times: it is asked once a minute, and only keeps the server from
shutting itself down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from jupyter_server.serverapp import ServerApp

from ..hub import Participant

SETTING = "rtmsg_last_activity"
"""Jupyter's `web_app.last_activity` looks at every setting whose name ends so."""
INTERVAL = 1.0
"""Seconds within which the same is not noted again: who publishes fast must not pay for it."""


class ServerActivity:
    """The `Activity` of the hub: notes when the server, and each of its kernels, last did something.

    Publishing is activity, and so are acknowledgements of kernels: their handlers have worked. Delivery, joining,
    reading and heartbeats are none, or one publisher would keep every server alive that listens.

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
        """Note the activity of the server, and of the kernel that published."""
        now = self._clock()
        if now >= self._server_due:
            self._touch_server(now)
        kernel = participant.identity.kernel
        if kernel is not None and now >= self._kernels_due.get(kernel, now):
            self._touch_kernel(kernel, now)

    def acknowledged(self, participant: Participant) -> None:
        """Note it for a kernel; what runs elsewhere says nothing of this server by listening to it."""
        if participant.identity.kernel is not None:
            self.published(participant)

    def _touch_server(self, now: float) -> None:
        self._server_due = now + INTERVAL
        self._serverapp.web_app.settings[SETTING] = _utcnow()

    def _touch_kernel(self, kernel_id: str, now: float) -> None:
        # Those that were not touched since are forgotten: kernels come and go.
        self._kernels_due = {known: due for known, due in self._kernels_due.items() if due > now}
        self._kernels_due[kernel_id] = now + INTERVAL
        manager: Any = self._serverapp.kernel_manager
        if kernel_id in manager:
            # Jupyter's culler compares this; it notes the messages of a kernel in the same place.
            manager.get_kernel(kernel_id).last_activity = _utcnow()


def _utcnow() -> datetime:
    return datetime.now(timezone.utc)
