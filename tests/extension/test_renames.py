from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager

from jupyter_rtmsg.extension.renames import notebooks


@pytest.fixture
def contents(tmp_path: Path) -> AsyncFileContentsManager:
    for path in ("a.ipynb", "data.csv", "week1/b.ipynb", "week1/deep/c.ipynb", "week1/deep/notes.md", "empty/.keep"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    return AsyncFileContentsManager(root_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.ipynb", {"a.ipynb"}),
        ("data.csv", set()),
        ("week1", {"week1/b.ipynb", "week1/deep/c.ipynb"}),
        ("empty", set()),
        ("gone", set()),
    ],
)
async def test_a_rename_concerns_the_notebook_or_all_beneath_the_directory(
    contents: AsyncFileContentsManager, path: str, found: set[str]
) -> None:
    assert {notebook async for notebook in notebooks(contents, path)} == found
