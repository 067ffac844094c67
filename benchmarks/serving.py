"""What every benchmark with a server of its own needs: a port, the wait until somebody listens there, its memory."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from pathlib import Path


def free_port() -> int:
    """Return a port where nobody listens, below the ephemeral ones: a probe of one of those can connect to itself."""
    while True:
        port = random.randint(20000, 32000)
        if not listens(port):
            return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a server listens.

    Raises
    ------
    RuntimeError
        If it ended instead.
    TimeoutError
    """
    for _ in range(600):
        if listens(port):
            return
        if server.poll() is not None:
            raise RuntimeError("the server ended")
        time.sleep(0.05)
    raise TimeoutError("the server does not listen")


def resident(pid: int | str = "self") -> float:
    """Return the memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
