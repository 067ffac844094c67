"""Checks the programs of other platforms that the build downloads: yarn keeps no checksums of them.

``yarn.lock`` has none for packages that only some platforms install (yarnpkg/berry issue 6759): those of the bundler, in
machine code. Their files' are in ``bindings.sha256``, in the form of ``sha256sum``. As a script: checks and says what is
wrong.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

PINS = Path(__file__).with_name("bindings.sha256")
MODULES = Path(__file__).resolve().parent.parent / "labextension" / "node_modules"
FAMILY = "@rspack/binding-"


def pins() -> dict[str, str]:
    """Return the hashes by path below ``node_modules``."""
    lines = PINS.read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, path in (line.split("  ", 1) for line in lines)}


def faults(modules: Path = MODULES) -> list[str]:
    """Return what is wrong with the packages that are installed, a line each; nothing runs before this is empty."""
    expected = pins()
    packages = {path.split("/")[1] for path in expected}
    found: list[str] = []
    for package in sorted(modules.glob(f"{FAMILY}*")):
        if package.name not in packages:
            found.append(f"{package.name} has no checksums in {PINS.name}")
        for path in filter(Path.is_file, package.rglob("*")):
            name = path.relative_to(modules).as_posix()
            runs = path.suffix in (".node", ".wasm", ".js", ".cjs", ".mjs", ".json")
            if runs and hashlib.sha256(path.read_bytes()).hexdigest() != expected.get(name):
                found.append(f"{name} is not the file that {PINS.name} has the checksum of")
    return found


def check() -> None:
    """Refuse to go on with a package that is not what it was.

    Raises
    ------
    RuntimeError
        Naming the files.
    """
    if wrong := faults():
        raise RuntimeError("\n".join([*wrong, "Somebody changed it, or yarn.lock has a new version: see bindings.py"]))


if __name__ == "__main__":
    sys.exit("\n".join(faults()) or None)
