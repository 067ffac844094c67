"""The programs that tests need beyond Python and Node: each is found, installed, or its tests are left out.

A test that needs one has the marker ``needs_<program>``. `tests/conftest.py` leaves it out where the program is not
found, and names it in the end. As a script, for `make test`, this installs what is missing where that is possible: as
root on Debian or Ubuntu. With RTMSG_TEST_ALL=1, as under ``.ci/run``, a missing program is an error in both.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

ALL = "RTMSG_TEST_ALL"
"""The environment variable that forbids leaving anything out."""
_FOLDERS = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
# Playwright brings a Node of its own, which lacks a library on a new Debian; one that starts is here anyway.
if _node := shutil.which("node"):
    os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", _node)
_APT = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Program:
    """A program that tests need.

    Attributes
    ----------
    names : tuple of str
        What its executable may be called. If an environment variable has the program's name in capitals, its value
        is the path, and nothing else is tried.
    packages : tuple of str
        The packages of Debian and Ubuntu that have it.
    version : str
        The argument that makes it print its version: a program that can't do that does not count.
    elsewhere, fetch : callable
        Return the path of one outside the PATH; get one where the packages bring none.
    """

    names: tuple[str, ...]
    packages: tuple[str, ...]
    version: str = "--version"
    elsewhere: Callable[[], str | None] = _nothing
    fetch: Callable[[], None] = _nothing


def _playwrights_chromium() -> str:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def _fetch_playwrights_chromium() -> None:
    with_libraries = ["--with-deps"] if _may_install() else []
    subprocess.run([sys.executable, "-m", "playwright", "install", *with_libraries, "chromium"], stdout=sys.stderr)


PROGRAMS = {
    "chromium": Program(
        ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        ("chromium", "fonts-dejavu-core"),
        elsewhere=_playwrights_chromium,
        fetch=_fetch_playwrights_chromium,
    ),
    "gcc": Program(("gcc",), ("gcc", "libc6-dev")),
    "nginx": Program(("nginx",), ("nginx-light",), version="-v"),
    "openssl": Program(("openssl",), ("openssl",), version="version"),
}


@functools.cache
def find(name: str) -> str | None:
    """Return the path of a program that starts, or None."""
    program = PROGRAMS[name]
    return next((path for path in _candidates(name, program) if path and _starts(path, program.version)), None)


def _candidates(name: str, program: Program) -> Iterator[str | None]:
    if named := os.environ.get(name.upper()):
        yield named
        return
    for one in program.names:
        yield shutil.which(one, path=_FOLDERS)
    yield program.elsewhere()


def _starts(path: str, version: str) -> bool:
    # Ubuntu's chromium may be a script that asks for a snap.
    try:
        return subprocess.run([path, version], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def want(name: str) -> str:
    """Return the words that say that a program is not here and how to get it."""
    packages = " ".join(PROGRAMS[name].packages)
    return f"{name}, which is not here (Debian and Ubuntu: apt install {packages}; or {name.upper()}=/path)"


def everything() -> bool:
    """Whether nothing may be left out."""
    return os.environ.get(ALL) == "1"


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and _distribution() in ("debian", "ubuntu")


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["ID"]
    except OSError:
        return ""


def install(names: list[str]) -> list[str]:
    """Install programs, each by itself, unless a variable names them; return those that are still missing."""
    wanted = [name for name in names if name.upper() not in os.environ]
    if wanted and _may_install():
        _apt("update", "-qq")
        for name in wanted:
            _apt("install", "-y", "-qq", "--no-install-recommends", *PROGRAMS[name].packages)
    find.cache_clear()
    for name in wanted:
        if not find(name):
            PROGRAMS[name].fetch()
    find.cache_clear()
    return [name for name in names if not find(name)]


def _apt(*arguments: str) -> None:
    subprocess.run(["apt-get", *arguments], env=_APT, stdout=subprocess.DEVNULL)


def main() -> int:
    """Find or install all programs; return 1 if one is missing that must be there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--without", action="append", default=[], help="a program that is not wanted")
    without = parser.parse_args().without
    missing = install([name for name in PROGRAMS if name not in without and not find(name)])
    for name in missing:
        print(f"{'Error' if everything() else 'Left out'}: tests that need {want(name)}", file=sys.stderr)
    return 1 if missing and everything() else 0


if __name__ == "__main__":
    sys.exit(main())
