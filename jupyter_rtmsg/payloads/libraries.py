"""The libraries whose objects are payloads. None is a dependency, and none is imported before it is used.

An object that is emitted has its library in ``sys.modules``. To decode a payload, its library is imported: one of those
that are named here, never one that the sender names.
"""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

from jupyter_rtmsg.errors import LibraryMissing, LibraryTooOld

_INSTALL = {"PIL": "pillow"}
_LEAST = {
    "pyarrow": (14, 0, 1)  # reading a file could run code of its author before (CVE-2023-47248)
}
_KNOWN = frozenset({"altair", "jax", "numpy", "pandas", "PIL", "plotly", "polars", "pyarrow", "torch"})


def is_loaded(name: str) -> bool:
    """Return whether a library was imported by somebody."""
    return sys.modules.get(name) is not None


def load(name: str) -> Any:
    """Import one of the libraries, or one of their modules.

    Raises
    ------
    LibraryMissing
        If it is not installed.
    LibraryTooOld
        If its version has an advisory about what it reads.
    """
    root = name.partition(".")[0]
    if root not in _KNOWN:
        raise ValueError(f"{root!r} is none of the libraries of payloads")
    try:
        module = importlib.import_module(name)
        version = str(getattr(sys.modules[root], "__version__", ""))
    except ImportError as error:
        package = _INSTALL.get(root, root)
        raise LibraryMissing(
            f"it needs {package}, which is not installed here ({error}): pip install {package}"
        ) from None
    least = _LEAST.get(root, ())
    if least and tuple(map(int, re.findall(r"\d+", version)[:3])) < least:
        text = ".".join(map(str, least))
        raise LibraryTooOld(f"{root} {version} is not used to read what others sent: pip install '{root}>={text}'")
    return module


def try_load(name: str) -> Any | None:
    """Import a library; return None if it is not installed, or too old."""
    try:
        return load(name)
    except (LibraryMissing, LibraryTooOld):
        return None
