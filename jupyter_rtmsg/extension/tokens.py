"""The scoped token: it gives kernels access to the hub, and to nothing else of Jupyter."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_BYTES = 32
_LENGTH = 43  # of secrets.token_urlsafe(_BYTES)


def scoped_token(path: Path) -> str:
    """Return the token in a file. The file is made if it is missing or damaged.

    The file stays when the server ends, so that clients can reconnect after a restart.

    Parameters
    ----------
    path : Path
        The file. Only its owner may read it and its directory.

    Returns
    -------
    str

    Raises
    ------
    OSError
        If the file can neither be read nor made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _read(path) or _create(path)


def _read(path: Path) -> str | None:
    try:
        token = path.read_text("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    path.chmod(0o600)
    return token if len(token) >= _LENGTH else None


def _create(path: Path) -> str:
    token = secrets.token_urlsafe(_BYTES)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return _publish(fresh, path, token)


def _publish(fresh: Path, path: Path, token: str) -> str:
    """Put the new file in place. If another server of this user made the file meanwhile, return that token."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        if existing := _read(path):
            token = existing
        else:  # a damaged file
            fresh.replace(path)
    except OSError:  # a file system without hard links
        fresh.replace(path)
    fresh.unlink(missing_ok=True)
    return token
