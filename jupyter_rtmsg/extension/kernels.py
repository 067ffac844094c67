"""The kernels of this server: the proof of one, and the notebook it belongs to."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp


class Kernels:
    """Looks kernels up in Jupyter's managers.

    Parameters
    ----------
    serverapp : ServerApp
    """

    def __init__(self, serverapp: ServerApp) -> None:
        self._serverapp = serverapp

    def proves(self, kernel_id: str, proof: str, socket_id: str) -> bool:
        """Check ``hex(HMAC-SHA256(key, "rtmsg:" + socket id))`` against the key of the kernel's connection file."""
        key = self._key(kernel_id)
        if not key:  # without a key (unknown kernel, a gateway's, or signing switched off) nothing can be proved
            return False
        expected = hmac.new(key, f"rtmsg:{socket_id}".encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), proof.encode())

    async def notebook(self, kernel_id: str) -> str | None:
        """Return the path of the notebook that runs in a kernel, relative to the server's root, or None."""
        sessions: list[dict[str, Any]] = await ensure_async(self._serverapp.session_manager.list_sessions())
        for session in sessions:
            if session["type"] == "notebook" and session["kernel"]["id"] == kernel_id:
                return str(session["path"]).lstrip("/")
        return None

    def _key(self, kernel_id: str) -> bytes | None:
        manager = self._serverapp.kernel_manager
        if kernel_id not in manager:
            return None
        session = getattr(manager.get_kernel(kernel_id), "session", None)
        key = getattr(session, "key", None)
        return key if isinstance(key, bytes) else None
