"""The fixtures of the hub's, the server's and the extension's tests."""

from __future__ import annotations

from extension.conftest import jupyter
from hub.conftest import hub, start, url
from server.conftest import poll, serve

__all__ = ["hub", "jupyter", "poll", "serve", "start", "url"]
