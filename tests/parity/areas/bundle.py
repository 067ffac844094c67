"""The stage of bundle.js."""

from __future__ import annotations

from typing import Any


def bundle(io: Any, t: Any) -> None:
    """Serve, no more."""
