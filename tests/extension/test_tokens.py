from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jupyter_rtmsg.extension.tokens import scoped_token


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rtmsg" / "token"


def test_the_token_is_made_once_and_survives(path: Path) -> None:
    token = scoped_token(path)
    assert len(token) >= 43
    assert scoped_token(path) == token


def test_file_and_directory_are_for_their_owner_only(path: Path) -> None:
    scoped_token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_may_read_is_closed_to_them(path: Path) -> None:
    token = scoped_token(path)
    path.chmod(0o644)
    assert scoped_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", [b"", b"short\n", b"\xff" * 50])
def test_a_damaged_file_gets_a_new_token(path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    token = scoped_token(path)
    assert len(token) >= 43
    assert scoped_token(path) == token


def test_servers_that_start_at_once_agree_on_one_token(path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(lambda _: scoped_token(path), range(64)))
    assert tokens == {path.read_text().strip()}
    assert [entry.name for entry in path.parent.iterdir()] == ["token"]


def test_a_place_that_cannot_be_written_raises(tmp_path: Path) -> None:
    (tmp_path / "rtmsg").write_text("a file where the directory should be")
    with pytest.raises(OSError, match="rtmsg"):
        scoped_token(tmp_path / "rtmsg" / "token")
