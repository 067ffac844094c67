"""Print constraints that hold the package's own dependencies at the lowest version that pyproject.toml allows.

``make test-lowest`` installs with them. Those of the extras are not held: they are the tests', not the users'.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def constraints(dependencies: list[str]) -> list[str]:
    """Return ``name==version`` for each ``name>=version``.

    Raises
    ------
    ValueError
        If a dependency has no lowest version.
    """
    found = []
    for dependency in dependencies:
        match = re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", dependency)
        if match is None:
            raise ValueError(f"{dependency!r} has no lowest version: write name>=version in pyproject.toml")
        found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    print(*constraints(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]), sep="\n")
