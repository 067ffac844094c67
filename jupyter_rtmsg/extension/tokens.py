"""The scoped token: it opens the hub to kernels, and nothing else of Jupyter."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_BYTES = 32
_LENGTH = 43  # of secrets.token_urlsafe(_BYTES)


def scoped_token(path: Path) -> str:
    """Return the token kept in a file, which is made if need be.

    The file outlives the server, since after a restart nobody could reconnect otherwise.

    Parameters
    ----------
    path : Path
        The file; it and its directory are for their owner only.

    Returns
    -------
    str

    Raises
    ------
    OSError
        When the file can neither be read nor made.
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
    """Put the new file in place, unless another server of this user was quicker: then its token is everybody's."""
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
