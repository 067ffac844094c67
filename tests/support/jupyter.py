"""A real Jupyter server in a process of its own, with directories of its own, and its kernels."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_client import BlockingKernelClient

from .ports import free_port

OTHERS = ("jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "notebook", "notebook_shim")
"""The server extensions that come with JupyterLab."""
DEADLINE = 60.0
"""Seconds that anything may take on a busy machine."""


def wait_until(condition: Callable[[], Any], what: str, timeout: float = DEADLINE) -> Any:
    """Return what a condition returns as soon as that is true; AssertionError after the timeout (s)."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.02)
    return result


@dataclass(frozen=True)
class Answer:
    """The server's answer to an HTTP request."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class CellError(AssertionError):
    """A cell raised: the message is its traceback."""


@dataclass
class Outputs:
    """What a cell printed, and the text of its last expression."""

    text: str = ""
    result: str | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)


class JupyterServer:
    """A Jupyter server with the extension, isolated in a directory; it may be killed and started again on its port.

    Parameters
    ----------
    home : Path
        Everything of this server lives in here: configuration, data, runtime files, notebooks (``root``).
    command : str
        The subcommand of ``jupyter``: ``server`` or ``lab``.
    token : str
    config : mapping, optional
        What goes into the configuration, by class: ``{"RtmsgApp": {"max_events": 10}}``. None takes a setting away.
    environment : mapping, optional
        Beside the current one; None takes a variable away.
    base_url : str
    certificate : Path, optional
        A PEM file with certificate and key for ``localhost``: serve over TLS. Kernels trust it.
    python : Path
        The interpreter of the environment to serve from; that of the tests by default, see also `neighbours`.
    """

    def __init__(
        self,
        home: Path,
        *,
        command: str = "server",
        token: str = "a-token-for-tests",
        config: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str | None] | None = None,
        base_url: str = "/",
        certificate: Path | None = None,
        python: Path = Path(sys.executable),
    ) -> None:
        self.home = home
        self.python = python
        self.command = command
        self.token = token
        self.port = free_port()
        self.root = home / "root"
        self.data = home / "data"
        self.runtime = home / "runtime"
        self.log_path = home / "server.log"
        self.url = f"{'https://localhost' if certificate else 'http://127.0.0.1'}:{self.port}{base_url}"
        self.process: subprocess.Popen[bytes] | None = None
        self._certificate = certificate
        self._environment = {"SSL_CERT_FILE": str(certificate) if certificate else None, **(environment or {})}
        self._clients: dict[str, BlockingKernelClient] = {}
        self._write_config(config or {}, base_url)

    def __enter__(self) -> JupyterServer:
        return self if self.process else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def rtmsg_token(self) -> str:
        """The scoped token that kernels of this server have."""
        return (self.data / "rtmsg" / "token").read_text().strip()

    def log_text(self) -> str:
        return self.log_path.read_text(errors="replace")

    def start(self, wait: bool = True) -> JupyterServer:
        assert self.process is None, "it runs already"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.python), "-m", "jupyter", self.command, "--no-browser", *self._arguments()],
                stdout=log, stderr=subprocess.STDOUT, env=self._variables(), cwd=self.root,
            )  # fmt: skip
        if wait:
            try:
                self._wait()
            except BaseException:
                self.kill()  # nobody else would
                raise
        return self

    def stop(self) -> int:
        """Ask it to stop, as an operator would, and return its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it without a word; its kernels, which Jupyter lets die with it, are gone too."""
        self._end(signal.SIGKILL)

    def restart(self) -> JupyterServer:
        if self.process is not None:
            self.stop()
        return self.start()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send an HTTP request to a path under the base URL.

        Parameters
        ----------
        token : str, optional
            The server's own by default; None: no token.
        """
        authorization = {} if token is None else {"Authorization": f"token {token or self.token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {**authorization, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE, context=self._tls()) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def status(self) -> dict[str, Any]:
        """Return what `rtmsg/api/status` answers."""
        answer = self.request("GET", "rtmsg/api/status")
        assert answer.status == 200, answer.text
        return dict(answer.json())

    def info(self) -> dict[str, Any]:
        """Return what the server tells of itself to programs of its user, as soon as it listens."""
        files = wait_until(lambda: list(self.runtime.glob("jpserver-*.json")), "the server tells of itself")
        return dict(json.loads(wait_until(files[0].read_text, "it is written")))

    def start_script(self, code: str, **environment: str) -> subprocess.Popen[str]:
        """Start a Python script of the same user, as in a shell beside the server."""
        variables = {**self._variables(), **environment}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-c", code], env=variables, cwd=self.root, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def script(self, code: str, **environment: str) -> tuple[str, str]:
        """Run a script; return what it printed, and what it wrote to stderr."""
        with self.start_script(code, **environment) as process:
            try:
                out, err = process.communicate(timeout=DEADLINE)
            finally:
                process.kill()
        assert process.returncode == 0, err
        return out.strip(), err.strip()

    def start_kernel(self, notebook: str | None = None) -> str:
        """Start a kernel through REST, alone or for a notebook (a session, as JupyterLab does); return its id."""
        if notebook is None:
            answer = self.request("POST", "api/kernels", {"name": "python3"})
            kernel = answer.json()
        else:
            session = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": "python3"}}
            answer = self.request("POST", "api/sessions", session)
            kernel = answer.json()["kernel"]
        assert answer.status == 201, answer.text
        return str(kernel["id"])

    def restart_kernel(self, kernel: str) -> None:
        answer = self.request("POST", f"api/kernels/{quote(kernel)}/restart", {})
        assert answer.status == 200, answer.text
        self._forget(kernel)

    def kernel_pid(self, kernel: str) -> int:
        return int(self.execute(kernel, "import os; print(os.getpid())").text)

    def execute(self, kernel: str, code: str, timeout: float = DEADLINE) -> Outputs:
        """Run a cell and return its outputs; CellError if it raises."""
        client = self._client(kernel)
        outputs = Outputs()

        def collect(message: dict[str, Any]) -> None:
            outputs.messages.append(message)
            content = message["content"]
            if message["msg_type"] == "stream":
                outputs.text += content["text"]
            elif message["msg_type"] == "execute_result":
                outputs.result = content["data"].get("text/plain")

        reply = client.execute_interactive(code, timeout=timeout, output_hook=collect, allow_stdin=False)
        if reply["content"]["status"] != "ok":
            raise CellError("\n".join(reply["content"].get("traceback", [])) or str(reply["content"]))
        return outputs

    def _client(self, kernel: str) -> BlockingKernelClient:
        if kernel not in self._clients:
            client = BlockingKernelClient(connection_file=str(self.runtime / f"kernel-{kernel}.json"))
            client.load_connection_file()
            # Without heartbeat: it calls a kernel dead that takes more than a second to start.
            client.start_channels(hb=False)
            client.wait_for_ready(timeout=DEADLINE)
            self._clients[kernel] = client
        return self._clients[kernel]

    def _forget(self, kernel: str) -> None:
        if client := self._clients.pop(kernel, None):
            client.stop_channels()

    def _end(self, number: int) -> int:
        for kernel in list(self._clients):
            self._forget(kernel)
        if self.process is None:
            return 0
        self.process.send_signal(number)
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not stop; its log:\n{self.log_text()}") from None
        finally:
            self.process = None

    def _wait(self) -> None:
        wait_until(self._answers, f"the server answers at {self.url}")
        loaded = self.request("GET", "rtmsg/api/status").status != 404
        assert loaded, f"the extension was not loaded; the server's log:\n{self.log_text()}"

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the server ended; its log:\n{self.log_text()}"
        try:
            return self.request("GET", "api/status").status == 200
        except OSError:
            return False

    def _tls(self) -> ssl.SSLContext | None:
        if self._certificate is None:
            return None
        context = ssl.create_default_context(cafile=str(self._certificate))
        context.check_hostname = False  # it may be for another name
        return context

    def _arguments(self) -> Sequence[str]:
        return ["--allow-root"]

    def _write_config(self, config: Mapping[str, Mapping[str, Any]], base_url: str) -> None:
        for directory in (self.root, self.data, self.runtime, self.home / "config", self.home / "ipython"):
            directory.mkdir(parents=True, exist_ok=True)
        unneeded = OTHERS if self.command == "server" else ()  # they take seconds to load
        ours: dict[str, dict[str, Any]] = {
            "ServerApp": {
                "jpserver_extensions": {**dict.fromkeys(unneeded, False), "jupyter_rtmsg": True},
                "ip": "127.0.0.1",
                "port": self.port,
                "port_retries": 0,
                "base_url": base_url,
                "root_dir": str(self.root),
                "allow_unauthenticated_access": False,
            },
            "IdentityProvider": {"token": self.token},
        }
        if self._certificate:
            ours["ServerApp"] |= {"ip": "localhost", "certfile": str(self._certificate), "keyfile": ""}
        for section, values in config.items():
            merged = {**ours.get(section, {}), **values}
            ours[section] = {name: value for name, value in merged.items() if value is not None}
        path = self.home / "config" / "jupyter_server_config.json"
        path.write_text(json.dumps(ours))
        path.chmod(0o600)

    def _variables(self) -> dict[str, str]:
        variables: dict[str, str | None] = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "RTMSG", "JPY"))},
            "HOME": str(self.home),
            "PATH": os.pathsep.join([str(self.python.parent), os.environ.get("PATH", os.defpath)]),
            "IPYTHONDIR": str(self.home / "ipython"),
            "JUPYTER_CONFIG_DIR": str(self.home / "config"),
            "JUPYTER_DATA_DIR": str(self.data),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            **self._environment,
        }
        return {name: value for name, value in variables.items() if value is not None}
