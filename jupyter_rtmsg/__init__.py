"""Socket.IO for notebooks, with a memory."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    # Imported here, since kernels import this package and need no Jupyter server for it.
    from .extension.app import RtmsgApp

    return [{"module": "jupyter_rtmsg", "app": RtmsgApp}]
