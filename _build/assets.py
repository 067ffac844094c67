"""The JavaScript of the package, built from ``labextension/`` (TypeScript): the JupyterLab extension in
``jupyter_rtmsg/labextension/``, the widget in ``jupyter_rtmsg/widgets/static/``, and the client bundle.

The assets of an earlier build may be older than the sources, or made for development. So a build leaves the digest of
its sources beside the assets, and only assets with the digest of the present sources are used again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bindings
import bundle
import node

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "labextension"
ASSETS = ROOT / "jupyter_rtmsg" / "labextension"
WIDGET = ROOT / "jupyter_rtmsg" / "widgets" / "static"
DIGEST = "sources.sha256"
INPUTS = ("package.json", "yarn.lock", ".yarnrc.yml", "tsconfig.json", "widget.build.mjs", "src", "style", "schema")


def requirements() -> list[str]:
    """Return the Python packages that a build of the assets needs; none if they are fresh."""
    return [] if fresh() else ["jupyter-builder>=1.2,<2", *node.requirements()]


def fresh() -> bool:
    """Return whether all assets were built for production from the present sources."""
    stamp = ASSETS / DIGEST
    if not stamp.is_file() or not bundle.complete() or not (WIDGET / "room.js").is_file():
        return False
    return stamp.read_text() == digest() and not any(ASSETS.rglob("*.map"))


def build() -> None:
    """Build the assets from the sources, unless they are fresh.

    Raises
    ------
    subprocess.CalledProcessError
        When a step fails; its output has been shown.
    """
    if fresh():
        return
    shutil.rmtree(ASSETS, ignore_errors=True)
    # tsc leaves the output of sources that no longer exist in lib/.
    shutil.rmtree(SOURCES / "lib", ignore_errors=True)
    jlpm("install", "--immutable")
    bindings.check()
    jlpm("run", "build:prod")
    bundle.copy()
    (ASSETS / DIGEST).write_text(digest())


def jlpm(*arguments: str) -> None:
    """Run JupyterLab's yarn in the folder of the sources."""
    # Without build isolation the scripts of this Python's environment may be missing from the PATH.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    command = shutil.which("jlpm", path=path) or "jlpm"
    subprocess.run([command, *arguments], cwd=SOURCES, env={**os.environ, "PATH": path}, check=True)  # noqa: S603


def digest() -> str:
    """Return the SHA-256 (hex) over names and contents of all that a build reads."""
    total = hashlib.sha256()
    for path in inputs():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(SOURCES).as_posix()} {content}\n".encode())
    return total.hexdigest()


def inputs() -> Iterator[Path]:
    """Yield the files that a build reads, always in the same order."""
    for name in INPUTS:
        path = SOURCES / name
        yield from sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
