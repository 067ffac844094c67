from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.jupyter import JupyterServer


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server for all tests of a module."""
    with JupyterServer(tmp_path_factory.mktemp("jupyter")) as server:
        yield server
