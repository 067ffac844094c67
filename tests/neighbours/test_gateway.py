"""Kernels behind a kernel gateway (``--gateway-url``)."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import neighbours
from support.jupyter import JupyterServer, wait_until
from support.ports import free_port

JOIN = "import jupyter_rtmsg as rt\nlab = rt.connect().join('lab')\n"
pytestmark = pytest.mark.timeout(300)


class Gateway:
    """A kernel gateway with directories of its own, as on another machine."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.runtime = home / "runtime"
        home.mkdir()
        directories = {"HOME": home, "JUPYTER_DATA_DIR": home / "data", "JUPYTER_CONFIG_DIR": home / "config"}
        environment = {
            "PATH": os.environ["PATH"],
            **{name: str(path) for name, path in directories.items()},
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "IPYTHONDIR": str(home / "ipython"),
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        }
        address = ["--KernelGatewayApp.ip=127.0.0.1", f"--KernelGatewayApp.port={self.url.rpartition(':')[2]}"]
        address += ["--JupyterWebsocketPersonality.list_kernels=True"]  # as the status of a server asks
        self._log = (home / "log").open("wb")
        self._process = subprocess.Popen(
            [neighbours.program("jupyter-kernelgateway"), *address, *arguments],
            env=environment, stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        wait_until(self._answers, "the gateway answers")

    def _answers(self) -> bool:
        assert self._process.poll() is None, "the gateway ended"
        try:
            with urllib.request.urlopen(f"{self.url}/api", timeout=10) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._log.close()


@contextmanager
def behind_gateway(
    home: Path, *arguments: str, allowed_envs: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[JupyterServer]:
    """A server whose kernels a gateway starts; cells run over the gateway's own connection files."""
    gateway = Gateway(home / "gateway", *arguments)
    try:
        client = {"url": gateway.url, "allowed_envs": allowed_envs}
        config = {**neighbours.extensions(), "GatewayClient": client}
        own = {"python": neighbours.PYTHON, "config": config, "environment": environment}
        with JupyterServer(home / "server", **own) as server:
            server.runtime = gateway.runtime
            yield server
    finally:
        gateway.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server before a gateway that passes on nothing but what begins with ``KERNEL_``."""
    with behind_gateway(tmp_path_factory.mktemp("gateway")) as server:
        yield server


def show(server: JupyterServer, kernel: str, expression: str) -> Any:
    return json.loads(server.execute(kernel, f"import json; print(json.dumps({expression}))").text)


def test_a_notebook_behind_a_gateway_finds_the_hub_and_is_the_reader(server: JupyterServer) -> None:
    kernel = server.start_kernel("remote.ipynb")
    assert server.execute(kernel, JOIN + "print(lab.subscription, lab.emit('x', 1) > 0)").text == "remote.ipynb True\n"
    assert show(server, kernel, "[(m.kind, m.notebook) for m in lab.members]") == [["kernel", "remote.ipynb"]]


def test_it_is_the_reader_again_after_the_gateway_has_restarted_the_kernel(server: JupyterServer) -> None:
    kernel, other = server.start_kernel("again.ipynb"), server.start_kernel("other.ipynb")
    join = JOIN.replace("'lab'", "'again'")
    server.execute(kernel, join + "lab.on('n', lambda event: None)")
    server.execute(other, join + "lab.emit('n', 1)")
    wait_until(lambda: show(server, kernel, "[lab.lag, lab.head > 0]") == [0, True], "it has acknowledged the first")
    server.restart_kernel(kernel)
    server.execute(other, "lab.emit('n', 2)")
    server.execute(kernel, join)
    assert show(server, kernel, "[lab.subscription, lab.missed().data]") == ["again.ipynb", [2]]


def test_a_child_process_of_such_a_kernel_is_a_script(server: JupyterServer) -> None:
    kernel = server.start_kernel("parent.ipynb")
    server.execute(kernel, JOIN)
    cell = (
        "import subprocess, sys\n"
        "code = 'import jupyter_rtmsg as rt; lab = rt.connect().join(\"lab\"); print(lab.subscription, lab.me.kind)'\n"
        "print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout)"
    )
    subscription, kind = server.execute(kernel, cell).text.split()
    assert subscription == "None"
    assert kind != "kernel"
    assert show(server, kernel, "lab.status") == "connected", "the parent keeps its place"


def test_a_kernel_that_such_a_kernel_starts_is_a_script(server: JupyterServer) -> None:
    """It inherits the environment, as where a notebook runs others with papermill."""
    kernel = server.start_kernel("runner.ipynb")
    server.execute(kernel, JOIN)
    cell = """
import nbformat, nbclient
code = "import jupyter_rtmsg as rt; r = rt.connect().join('lab'); print(r.subscription, r.me.kind == 'kernel')"
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
notebook = await nbclient.NotebookClient(notebook, kernel_name="python3").async_execute()
print([output["text"] for output in notebook.cells[0].outputs if output.get("name") == "stdout"])
"""
    assert server.execute(kernel, cell).text.strip() == "['None False\\n']"
    assert show(server, kernel, "lab.status") == "connected", "the runner keeps its place"


def test_a_kernels_secret_is_its_own(server: JupyterServer) -> None:
    """One kernel may not speak as another of the same server and gateway."""
    one, other = server.start_kernel("one.ipynb"), server.start_kernel("other-one.ipynb")
    key = "os.environ['KERNEL_RTMSG_KEY']"
    for kernel in (one, other):
        server.execute(kernel, "import os")
    assert show(server, one, key) != show(server, other, key)
    server.execute(one, f"{key} = {show(server, other, key)!r}\n{JOIN}")
    assert show(server, one, "[lab.subscription, lab.me.kind == 'kernel']") == [None, False]


def test_the_servers_log_has_no_secrets_of_such_kernels(server: JupyterServer) -> None:
    kernel = server.start_kernel("quiet.ipynb")
    server.execute(kernel, "import os")
    secrets = show(
        server, kernel, "[v for k, v in os.environ.items() if k in ('KERNEL_RTMSG_KEY', 'KERNEL_RTMSG_TOKEN')]"
    )
    log = server.log_text()
    assert kernel in log, "the server does log the start of kernels"
    assert not [secret for secret in secrets if secret in log]


def test_a_gateway_that_allows_them_passes_the_variables_on_by_their_own_names(tmp_path: Path) -> None:
    names = ("RTMSG_URL", "RTMSG_TOKEN", "COLOUR")
    allowed = [f"--JupyterWebsocketPersonality.env_whitelist={name}" for name in names]
    with behind_gateway(tmp_path, *allowed, allowed_envs="COLOUR", environment={"COLOUR": "red"}) as server:
        kernel = server.start_kernel("named.ipynb")
        server.execute(kernel, "import os")
        assert show(server, kernel, "[os.environ['RTMSG_URL'], os.environ['COLOUR']]") == [server.url, "red"]
        assert server.execute(kernel, JOIN + "print(lab.subscription)").text == "named.ipynb\n"


@pytest.mark.parametrize(("url", "warned"), [("", True), ("http://hub.example:8888/", False)])
def test_the_log_warns_where_kernels_cannot_reach_the_server(tmp_path: Path, url: str, warned: bool) -> None:
    config = {"GatewayClient": {"url": "http://gateway.invalid:8888"}, "RtmsgApp": {"url": url}}
    server = JupyterServer(tmp_path, config=config).start(wait=False)
    try:
        wait_until(lambda: "rtmsg: the hub is at" in server.log_text(), "the extension has started")
    finally:
        server.stop()
    assert ("set c.RtmsgApp.url to an address at which they reach this server" in server.log_text()) is warned


def test_a_server_started_within_such_a_kernel_has_its_own_kernels(tmp_path: Path) -> None:
    outer = {"KERNEL_RTMSG_URL": "http://127.0.0.1:9/", "KERNEL_RTMSG_TOKEN": "x"}
    with JupyterServer(tmp_path, environment={**outer, "KERNEL_RTMSG_KEY": "z"}) as inner:
        kernel = inner.start_kernel("inner.ipynb")
        assert (
            inner.execute(kernel, JOIN + "print(lab.client.url, lab.subscription)").text == f"{inner.url} inner.ipynb\n"
        )
