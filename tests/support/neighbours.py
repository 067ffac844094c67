"""The second environment of the tests: what people run beside the extension, and ipykernel 6.

It has JupyterHub, Notebook 7, Voilà, papermill, nbconvert, jupyter-collaboration, jupytext, the kernel gateway,
jupyter-server-proxy, xeus-python and uvloop. Many of them are server extensions, which each server of that environment
would load: `extensions` switches off those that a test does not name.

>>> JupyterServer(home, python=neighbours.PYTHON, config=neighbours.extensions("voila.server_extension"))
>>> subprocess.run([neighbours.program("papermill"), ...])
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .jupyter import OTHERS

DIRECTORY = Path(sys.prefix) / "neighbours"
PYTHON = DIRECTORY / "bin" / "python"
PROXY = Path(__file__).parents[1] / "interop" / "node_modules" / ".bin" / "configurable-http-proxy"
"""JupyterHub's proxy, from npm."""

_EXTENSIONS = (
    *OTHERS,
    "jupyter_server_fileid",
    "jupyter_server_proxy",
    "jupyter_server_ydoc",
    "jupyterhub",
    "jupyterlab_jupytext",
    "voila.server_extension",
)


def program(name: str) -> str:
    """Return the path of a program of that environment."""
    return str(DIRECTORY / "bin" / name)


def extensions(*names: str) -> dict[str, dict[str, Any]]:
    """Return the configuration of a server with these extensions beside ours, and no others."""
    assert set(names) <= set(_EXTENSIONS), f"unknown among {names}"
    loaded = {name: name in names for name in _EXTENSIONS}
    return {"ServerApp": {"jpserver_extensions": {**loaded, "jupyter_rtmsg": True}}}
