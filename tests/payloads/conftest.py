"""A registry of one test."""

from __future__ import annotations

import pytest

from jupyter_rtmsg.payloads import registry


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that a test registers are gone after it."""
    monkeypatch.setattr(registry, "_by_name", {})
    monkeypatch.setattr(registry, "_by_class", {})
