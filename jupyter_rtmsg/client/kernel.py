"""Which kernel this process is, and the proof of it (docs/wire.md, "Proof of a kernel")."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"kernel-(.+)\.json")


class Kernel(NamedTuple):
    """A running kernel: its id, and the key of its connection file."""

    id: str
    key: bytes

    def proof(self, socket_id: str) -> str:
        """Return what shows, to a server that holds the key too, that this process is the kernel."""
        return hmac.new(self.key, f"rtmsg:{socket_id}".encode(), hashlib.sha256).hexdigest()


def this_kernel() -> Kernel | None:
    """Return the kernel that this process is, or None."""
    application = sys.modules.get("ipykernel.kernelapp")
    if application is None or not application.IPKernelApp.initialized():
        return None
    try:
        path = Path(application.IPKernelApp.instance().abs_connection_file)
        key = json.loads(path.read_text(encoding="utf-8"))["key"]
    except (AttributeError, OSError, ValueError, KeyError, TypeError):
        return None  # no connection file, as in a kernel that lives inside another program
    match = _NAME.fullmatch(path.name)
    return Kernel(match[1], str(key).encode()) if match else None
