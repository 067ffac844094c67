"""The Chromium of the browser tests: one that is installed, Debian's package, or Playwright's own.

As a script it sees to it that there is one, and says in one line where none can be had.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NONE = (
    "No Chromium: the browser tests will fail. Install one, or name one with CHROMIUM=/path/to/chromium; "
    "`make test BROWSER=0` leaves these tests out."
)


def find() -> str | None:
    """Return the path of a Chromium that starts, or None."""
    candidates = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), playwrights()]
    return next((path for path in candidates if path and starts(path)), None)


def starts(path: str) -> bool:
    """Tell whether `path` is a browser that runs here; Ubuntu's package may be a script that asks for a snap."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def playwrights() -> str:
    """Return where Playwright keeps its own Chromium, whether it is there or not."""
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def get() -> str | None:
    """Return the path of a Chromium, installing one if there is none; None if that fails too."""
    for install in (lambda: None, from_apt, from_playwright):
        install()
        if path := find():
            return path
    return None


def from_apt() -> None:
    """Install Debian's package, where that is possible: as root on Debian or Ubuntu."""
    if os.geteuid() == 0 and shutil.which("apt-get") and distribution() in ("debian", "ubuntu"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in ("update -qq", "install -y -qq --no-install-recommends chromium fonts-dejavu-core"):
            subprocess.run(["apt-get", *command.split()], env=environment, stdout=sys.stderr)


def distribution() -> str:
    """Return the system's name for itself, as ``debian``; empty where it has none."""
    try:
        return platform.freedesktop_os_release()["ID"]
    except OSError:
        return ""


def from_playwright() -> None:
    """Download Playwright's own, with the libraries it needs where they may be installed."""
    with_libraries = ["--with-deps"] if os.geteuid() == 0 and Path("/usr/bin/apt-get").exists() else []
    subprocess.run([sys.executable, "-m", "playwright", "install", *with_libraries, "chromium"], stdout=sys.stderr)


if __name__ == "__main__":
    print(get() or NONE)
