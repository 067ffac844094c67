from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.jupyterhub import JupyterHub, UserServer

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("jupyterhub"))  # one JupyterHub for all of them


@pytest.fixture(scope="package")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterHub]:
    """Return a JupyterHub with the users ada and bob."""
    with JupyterHub(tmp_path_factory.mktemp("hub")) as hub:
        for user in ("ada", "bob"):
            hub.add_user(user)
        yield hub


@pytest.fixture(scope="package")
def ada(hub: JupyterHub) -> Iterator[UserServer]:
    """Return ada's server, which runs."""
    with hub.server("ada") as server:
        yield server
