"""Makes the processes that tests start begin sooner."""

from __future__ import annotations

import os
import sys
from pathlib import Path

IMPORTS = Path(__file__).parent / "imports"
"""Modules that stand in for others, and import these when they are used."""


def quick_imports() -> None:
    """Have this process, and those that it starts, find the modules of `IMPORTS` first."""
    sys.path.insert(0, str(IMPORTS))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, [str(IMPORTS), *paths])))
