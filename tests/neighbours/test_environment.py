"""The second environment itself: its servers load what a test names, and run ipykernel 6."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from support import neighbours
from support.jupyter import JupyterServer


def test_every_server_extension_of_the_environment_can_be_switched_off() -> None:
    folder = neighbours.DIRECTORY / "etc" / "jupyter" / "jupyter_server_config.d"
    named = [json.loads(path.read_text())["ServerApp"]["jpserver_extensions"] for path in folder.glob("*.json")]
    switched = neighbours.extensions()["ServerApp"]["jpserver_extensions"]
    assert {name for extensions in named for name in extensions} <= set(switched)


def test_a_kernel_of_the_environment_is_ipykernel_6_and_talks(tmp_path: Path) -> None:
    with JupyterServer(tmp_path, python=neighbours.PYTHON, config=neighbours.extensions()) as server:
        kernel = server.start_kernel("a.ipynb")
        assert server.execute(kernel, "import ipykernel; print(ipykernel.version_info[0])").text.strip() == "6"
        cell = "import jupyter_rtmsg as rt; lab = rt.connect().join('lab'); print(lab.emit('hello', 1))"
        assert int(server.execute(kernel, cell).text) > 0


def test_the_programs_of_the_environment_start() -> None:
    for name in ("jupyterhub", "papermill", "voila", "jupyter-nbconvert", "jupyter-kernelgateway"):
        assert subprocess.run([neighbours.program(name), "--version"], capture_output=True).returncode == 0, name
    assert subprocess.run([str(neighbours.PROXY), "--version"], capture_output=True).returncode == 0
