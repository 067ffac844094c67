"""Putting files out of the way without losing them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Collection
from pathlib import Path

PARTS = ("", "-wal", "-shm", "-journal")
"""What the names of the files of one SQLite database end in."""


def move_aside(path: Path, word: str, parts: Collection[str] = PARTS) -> Path:
    """Rename a log's file and what belongs to it, as far as it is there; return the new name of the file itself."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.{word}-{stamp}-{secrets.token_hex(2)}")
    for suffix in parts:
        part = path.with_name(path.name + suffix)
        if os.path.lexists(part):
            part.rename(aside.with_name(aside.name + suffix))
    return aside
