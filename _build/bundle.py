"""The browser's client: the bundles of the npm package socket.io-client, put into ``jupyter_rtmsg/server/static/``.

The panel is built with the same package, so it is there, in the version that ``labextension/yarn.lock`` names.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "labextension" / "node_modules" / "socket.io-client"
TARGET = ROOT / "jupyter_rtmsg" / "server" / "static"
VERSION = "version"


def complete() -> bool:
    """Tell whether the bundle is there: its version is written last."""
    return (TARGET / VERSION).is_file()


def copy() -> None:
    """Copy the bundles, their source maps and their licence out of the npm package."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir()
    for file in sorted((SOURCE / "dist").glob("socket.io*.js*")):
        shutil.copyfile(file, TARGET / file.name)
    shutil.copyfile(SOURCE / "LICENSE", TARGET / "LICENSE")
    (TARGET / VERSION).write_text(json.loads((SOURCE / "package.json").read_text())["version"] + "\n")
