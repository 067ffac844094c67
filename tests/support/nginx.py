"""A real nginx in front of a server under test."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import programs
from .certificate import make_certificate
from .ports import free_port

ATTEMPTS = 5  # another process may take a free port before nginx listens on it
PATIENCE = 20.0  # seconds until nginx listens
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log info;
events {{}}
http {{
    access_log {folder}/access.log;
    ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/certificate.pem;
    {temporary}
    {http}
}}
"""

# The server block of `proxy`: a proxy as people configure it for WebSocket, or one that forgot Upgrade.
PROXY = """
map $http_upgrade $connection_upgrade { default upgrade; '' close; }
server {
    listen 127.0.0.1:PORT;
    listen 127.0.0.1:TLS_PORT ssl;
    location / {
        proxy_pass http://127.0.0.1:UPSTREAM;
        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        UPGRADE
    }
}
"""
UPGRADE = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"


class Nginx:
    """A running nginx.

    Attributes
    ----------
    port, tls_port : int
        Where it listens, if its configuration says ``listen PORT`` and ``listen TLS_PORT ssl``.
    url, tls_url : str
    certificate : pathlib.Path
        Its own certificate, for ``localhost`` and 127.0.0.1: clients of the TLS port trust it as a CA.
    """

    def __init__(self, folder: Path, http: str) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.url, self.tls_url = f"http://localhost:{self.port}/", f"https://localhost:{self.tls_port}/"
        self.certificate = folder / "certificate.pem"
        http = http.replace("TLS_PORT", str(self.tls_port)).replace("PORT", str(self.port))
        temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, temporary=temporary, http=http))
        (folder / "pid").unlink(missing_ok=True)
        program = programs.find("nginx")
        assert program, "tests of nginx need the marker needs_nginx"
        self._process = subprocess.Popen(
            [program, "-e", f"{folder}/error.log", "-p", str(folder), "-c", str(configuration)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def listens(self) -> bool:
        """Wait until it listens; return False when it ended instead."""
        deadline = time.monotonic() + PATIENCE
        pid = self.folder / "pid"  # written when all ports are bound
        while self._process.poll() is None and time.monotonic() < deadline:
            if pid.exists() and pid.read_text().strip():
                return True
            time.sleep(0.01)
        return False

    async def connect_tls(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the TLS port."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        return await asyncio.open_connection("localhost", self.tls_port, ssl=context)

    @property
    def errors(self) -> str:
        """What it has logged but for the requests."""
        return (self.folder / "error.log").read_text()

    @property
    def requests(self) -> list[str]:
        """The lines of its access log: those of WebSockets come when these are closed."""
        return (self.folder / "access.log").read_text().splitlines()

    def stop(self) -> None:
        """End it, and the connections through it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def nginx(http: str) -> Iterator[Nginx]:
    """Run nginx with the server blocks that are given.

    Parameters
    ----------
    http : str
        The inside of ``http { }``. ``PORT`` and ``TLS_PORT`` in it stand for two free ports; a certificate and key
        are set for all server blocks.
    """
    with tempfile.TemporaryDirectory(prefix="rtmsg-nginx-") as name:
        folder = Path(name)
        make_certificate(folder / "certificate.pem")
        for _ in range(ATTEMPTS):
            server = Nginx(folder, http)
            if server.listens():
                break
            server.stop()
            if "Address already in use" not in server.errors:
                raise AssertionError(f"nginx did not start:\n{server.errors}")
        else:
            raise AssertionError(f"nginx found no free port:\n{server.errors}")
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def proxy(upstream: int, *, upgrade: bool = True) -> Iterator[Nginx]:
    """Run nginx as a reverse proxy, without and with TLS, of a server on this machine.

    Parameters
    ----------
    upstream : int
        The server's port.
    upgrade : bool
        Whether it passes WebSockets on. If not, only long-polling works.
    """
    block = PROXY.replace("UPSTREAM", str(upstream)).replace("UPGRADE", UPGRADE if upgrade else "")
    with nginx(block) as server:
        yield server
