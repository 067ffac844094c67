"""The kernel that this process is, and the proof of it (docs/wire.md, "Proof of a kernel")."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jupyter_rtmsg.client.processes import forked
from jupyter_rtmsg.proof import kernel_proof, kernel_proof_1

_NAME = re.compile(r"kernel-(.+)\.json")
_OPTIONS = frozenset({"-f", "--f", "--connection-file", "--connection_file"})
_KEY = "KERNEL_RTMSG_KEY"


class Kernel(NamedTuple):
    """A running kernel: its id, and a key that its server has, too."""

    id: str
    key: bytes

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    def proof(self, address: str, socket_id: str) -> str:
        """Return the proof that this process is the kernel, for the server at an address. It has the key, too."""
        return kernel_proof(self.key, address, socket_id)

    def proof_1(self, socket_id: str) -> str:
        """Return the proof for a hub of version 0.1.0."""
        return kernel_proof_1(self.key, socket_id)


def is_kernel() -> bool:
    """Return whether this process is a kernel, and not a script or a child process of a kernel."""
    return _connection_file() is not None


def this_kernel(environment: Mapping[str, str] = os.environ) -> Kernel | None:
    """Return the kernel that this process is, with the key that its server knows; None if it is not a kernel.

    The key is that of the connection file. Behind a gateway the server does not know that key, and has put another one
    into the environment. Child processes inherit the environment, so it only counts in a process that is a kernel.
    """
    path = _connection_file()
    match = _NAME.fullmatch(path.name) if path else None
    if path is None or match is None:
        return None
    key = environment.get(_KEY) or _read_key(path)
    return Kernel(match[1], key.encode()) if key is not None else None


def _read_key(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _connection_file() -> Path | None:
    """Return the connection file of the kernel that this process is; None if it is not a kernel.

    ipykernel knows the file. Other Python kernels, such as xeus-python, get it as the argument ``-f``.
    """
    application = sys.modules.get("ipykernel.kernelapp")
    if application is not None and application.IPKernelApp.initialized():
        return _of_ipykernel(application.IPKernelApp.instance())
    return None if forked() else _of_arguments(sys.orig_argv)


def _of_ipykernel(application: object) -> Path | None:
    # A forked child inherits the application. ipykernel itself recognizes its own output by this pid.
    pid = getattr(getattr(application, "iopub_thread", None), "_master_pid", None)
    child = forked() if pid is None else pid != os.getpid()
    path = getattr(application, "abs_connection_file", None)  # None in a kernel embedded in another program
    return Path(path) if path and not child else None


def _of_arguments(arguments: Sequence[str]) -> Path | None:
    """Return the connection file among the arguments of the interpreter."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.rpartition("=")
        path = Path(value)
        if (option if equals else before) in _OPTIONS and _NAME.fullmatch(path.name):
            return path
    return None
