"""The fixtures of the hub's and the server's tests."""

from __future__ import annotations

from hub.conftest import hub, start, url
from server.conftest import poll, serve

__all__ = ["hub", "poll", "serve", "start", "url"]
