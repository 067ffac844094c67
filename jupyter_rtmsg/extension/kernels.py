"""The kernels of this server: their proofs, and their notebooks."""

from __future__ import annotations

import asyncio
import hmac
import re
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

from ..hub import Claim
from ..proof import kernel_proof, kernel_proof_1
from .gateway import Gateway

SETTLE, LOOK = 3.0, 0.05
"""Seconds that a session may take to get its notebook's path, and between two reads of it."""

LONGEST = 4096
"""Characters of the longest path that is sent to other members; file systems take no longer ones, sessions do."""

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UNNAMED = re.compile(rf"(?:.*/)?{_UUID}", re.IGNORECASE)
_FILELESS = re.compile(rf"(?:.*/)?{_UUID}\.ipynb", re.IGNORECASE)
_VSCODE = re.compile(rf"(.*[^/])-jvsc-{_UUID}(?:\.ipynb)?", re.IGNORECASE)


class Kernels:
    """Looks kernels up in Jupyter's managers.

    Parameters
    ----------
    serverapp : ServerApp
    gateway : Gateway
    """

    def __init__(self, serverapp: ServerApp, gateway: Gateway) -> None:
        self._serverapp = serverapp
        self._gateway = gateway
        self._unnamed: dict[str, str] = {}  # session paths of kernels whose session never got a notebook's path

    async def identify(self, claim: Claim) -> str | None:
        """Return the id of the kernel that the claim proves, or None.

        The key is that of the kernel's connection file, or the one that `Gateway` gave to the kernel.
        """
        kernel_id, key = await self._gateway.find(claim.kernel) or (claim.kernel, self._key(claim.kernel))
        if not key:  # without a key (unknown kernel, or signing switched off) nothing can be proved
            return None
        if claim.address is None:
            expected = kernel_proof_1(key, claim.socket_id)
        else:
            expected = kernel_proof(key, claim.address, claim.socket_id)
        return kernel_id if hmac.compare_digest(expected.encode(), claim.proof.encode(errors="replace")) else None

    async def notebook(self, kernel_id: str) -> str | None:
        """Return the path of the notebook that runs in a kernel, relative to the server's root, or None.

        JupyterLab opens the session of a new kernel under a UUID, and gives it the notebook's path right after. This
        waits for the path, once for each kernel.
        """
        deadline = asyncio.get_running_loop().time() + SETTLE
        while True:
            path = await self._path(kernel_id)
            if path is None or not _UNNAMED.fullmatch(path):
                self._unnamed.pop(kernel_id, None)
                return None if path is None else await self._notebook(path)
            if self._unnamed.get(kernel_id) == path or asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(LOOK)
        self._unnamed = {id: path for id, path in self._unnamed.items() if id in self._serverapp.kernel_manager}
        self._unnamed[kernel_id] = path
        return None

    async def _notebook(self, path: str) -> str | None:
        """Return the notebook that a session's path stands for.

        VS Code's interactive window opens a session under ``<uuid>.ipynb``, another one each time, and has no file.
        """
        if len(path) > LONGEST:
            return None
        contents: Any = self._serverapp.contents_manager
        fileless = _FILELESS.fullmatch(path) and not await ensure_async(contents.file_exists(path))
        return None if fileless else notebook_path(path)

    async def _path(self, kernel_id: str) -> str | None:
        """Return the path of a kernel's session with a notebook; a console of the same kernel has another one."""
        sessions: list[dict[str, Any]] = await ensure_async(self._serverapp.session_manager.list_sessions())
        for session in sessions:
            if session["type"] == "notebook" and session["kernel"]["id"] == kernel_id:
                return str(session["path"]).lstrip("/")
        return None

    def _key(self, kernel_id: str) -> bytes | None:
        manager = self._serverapp.kernel_manager
        if self._gateway.enabled or kernel_id not in manager:  # a gateway's kernel has a key that is not known here
            return None
        session = getattr(manager.get_kernel(kernel_id), "session", None)
        key = getattr(session, "key", None)
        return key if isinstance(key, bytes) else None


def notebook_path(path: str) -> str:
    """Return the path of the notebook that a session's path stands for.

    VS Code opens ``name.ipynb`` under ``name-jvsc-<uuid>.ipynb``, with another UUID each time.
    """
    match = _VSCODE.fullmatch(path)
    return f"{match[1]}.ipynb" if match else path
