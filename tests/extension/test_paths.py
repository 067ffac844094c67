from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from jupyter_server.services.contents.manager import AsyncContentsManager
from support.wsclient import until

import jupyter_rtmsg.extension.paths as module
from jupyter_rtmsg.extension.paths import Paths, shown


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that is a link, with a link to a notebook and one to a directory in it."""
    real = tmp_path.resolve() / "real"
    (real / "week").mkdir(parents=True)
    (real / "week" / "nb.ipynb").write_text("{}")
    (real / "link.ipynb").symlink_to(real / "week" / "nb.ipynb")
    (real / "linked").symlink_to(real / "week")
    (real / "circle").symlink_to(real / "circle")
    (tmp_path / "root").symlink_to(real)
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("path", "file", "entry"),
    [
        ("week/nb.ipynb", "week/nb.ipynb", "week/nb.ipynb"),
        ("link.ipynb", "week/nb.ipynb", "link.ipynb"),
        ("linked/nb.ipynb", "week/nb.ipynb", "week/nb.ipynb"),
        ("linked", "week", "linked"),
        ("linked/gone.ipynb", "week/gone.ipynb", "week/gone.ipynb"),
        ("gone/too.ipynb", "gone/too.ipynb", "gone/too.ipynb"),
        ("тест/数据 🎉.ipynb", "тест/数据 🎉.ipynb", "тест/数据 🎉.ipynb"),
    ],
)
async def test_links_are_followed_and_an_entry_is_where_it_was(root: Path, path: str, file: str, entry: str) -> None:
    paths = Paths(AsyncFileContentsManager(root_dir=str(root)))
    real = os.path.realpath(root)  # noqa: ASYNC240 -- a test may wait
    assert (await paths.of_file(path), await paths.of_entry(path)) == (f"{real}/{file}", f"{real}/{entry}")


@pytest.mark.parametrize("path", ["circle/nb.ipynb", "nul\0.ipynb", "half \ud83c.ipynb", "x" * 5000])
async def test_a_path_to_a_missing_file_is_used_as_written(root: Path, path: str) -> None:
    paths = Paths(AsyncFileContentsManager(root_dir=str(root)))
    assert (await paths.of_file(path)).endswith(path)
    assert (await paths.of_entry(path)).endswith(path)


async def test_a_file_system_that_hangs_is_waited_for_once_and_by_one_thread(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESOLVE_TIMEOUT", 0.05)
    paths = Paths(AsyncFileContentsManager(root_dir=str(root)))
    asked, begun, back = [], threading.Event(), threading.Event()

    def hang(path: str) -> str:
        asked.append(path)
        begun.set()
        back.wait(60)
        return "/real"

    try:
        found = [await paths._resolved(hang, "slow.ipynb")]
        await asyncio.to_thread(begun.wait)
        found += [await paths._resolved(hang, "slow.ipynb") for _ in range(2)]
    finally:
        back.set()
    assert (found, len(asked)) == ([f"{root}/slow.ipynb"] * 3, 1)
    monkeypatch.undo()
    await until(lambda: not paths._hanging)
    assert await paths._resolved(lambda _: "/again", "slow.ipynb") == "/again"


class Database(AsyncContentsManager):
    """Contents that are no files."""


async def test_contents_that_are_no_files_have_paths_of_their_own_kind() -> None:
    paths = Paths(Database())
    assert await paths.of_file("a/b.ipynb") == await paths.of_entry("a/b.ipynb") == "Database:a/b.ipynb"


def test_a_path_is_shown_as_text() -> None:
    assert shown("données/тест 数据 🎉.ipynb") == "données/тест 数据 🎉.ipynb"
    assert shown("half \ud83c.ipynb") == "half ?.ipynb"
