"""The stage of cors.js."""

from __future__ import annotations

from typing import Any


def cors(io: Any, t: Any) -> None:
    """Serve, no more."""
