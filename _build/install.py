"""Install this checkout into the environment whose Python runs this: what it needs is downloaded while it is built.

As a script: ``python _build/install.py examples`` installs it with the extra ``examples``. One after the other, as
``pip install '.[examples]'`` does it, takes almost twice as long.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import assets
import node

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
QUIET = ("--quiet", "--disable-pip-version-check")
# What is imported is compiled then; compiling everything takes half of the time of an install.
LATER = (*QUIET, "--no-compile")


def requirements(extras: Sequence[str]) -> list[str]:
    """Return what the package needs, with these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = [each for name in extras for each in project["optional-dependencies"][name]]
    return [*project["dependencies"], *extra]


def announce() -> str:
    """Return what a user should know who waits."""
    if assets.fresh():
        return "Installing what has changed."
    fetched = "" if node.usable(node.installed_version()) else ", with a Node.js from PyPI, since none is here,"
    return f"Building the JupyterLab extension{fetched} and installing it with what it needs: a minute or two."


def install(python: str, extras: Sequence[str]) -> int:
    """Install everything; return the exit status of the first step that fails, else 0."""
    with tempfile.TemporaryDirectory() as wheels, tempfile.TemporaryDirectory() as brought:
        build = [python, "-m", "pip", "wheel", *QUIET, "--no-deps", "--wheel-dir", wheels, str(ROOT)]
        steps = [
            subprocess.Popen(build, env=dict(os.environ) if assets.fresh() else node.environment(brought, python)),  # noqa: S603
            subprocess.Popen([python, "-m", "pip", "install", *LATER, *requirements(extras)]),  # noqa: S603
        ]
        if status := max([step.wait() for step in steps], key=abs):
            return status
        built = sorted(map(str, Path(wheels).glob("*.whl")))
        command = [python, "-m", "pip", "install", *LATER, "--no-deps", "--force-reinstall", *built]
        return subprocess.run(command, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    print(announce(), flush=True)  # noqa: T201
    sys.exit(install(sys.executable, sys.argv[1:]))
