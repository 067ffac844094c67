"""A real socket.io server, in a Node.js process of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .ports import free_port

SCRIPT = Path(__file__).parents[1] / "interop" / "server.js"


class NodeServer:
    """Runs `tests/interop/server.js`; it may be killed and started again, on the same port.

    Parameters
    ----------
    patient : bool
        Whether it waits for a pong as long as anybody on a busy machine may need.
    """

    def __init__(
        self, *, recovery: bool = False, parser: str = "", transports: str = "", patient: bool = False
    ) -> None:
        self._options = {
            "RTMSG_RECOVERY": "1" if recovery else "",
            "RTMSG_PARSER": parser,
            "RTMSG_TRANSPORTS": transports,
            "RTMSG_PING_TIMEOUT": "30000" if patient else "",
        }
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        environment = {**os.environ, "RTMSG_PORT": str(self.port), **self._options}
        self._process = subprocess.Popen(
            ["node", str(SCRIPT)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), "the Node server did not start"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
