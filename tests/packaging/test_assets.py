"""When the build backend uses built JavaScript again."""

from pathlib import Path

import assets
import pytest


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a project whose assets were built from its sources."""
    monkeypatch.setattr(assets, "SOURCES", tmp_path / "labextension")
    monkeypatch.setattr(assets, "ASSETS", tmp_path / "built")
    for name in assets.INPUTS:
        source = assets.SOURCES / name
        source = source if source.suffix or name.startswith(".") else source / "index.ts"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(name)
    assets.ASSETS.mkdir()
    (assets.ASSETS / assets.DIGEST).write_text(assets.digest())
    return tmp_path


def test_assets_of_these_sources_are_used_again(project: Path) -> None:
    assert assets.fresh()


def test_assets_without_a_digest_are_built_again(project: Path) -> None:
    (assets.ASSETS / assets.DIGEST).unlink()
    assert not assets.fresh()


@pytest.mark.parametrize("name", ["package.json", "yarn.lock", "src/index.ts", "style/index.ts"])
def test_a_changed_source_makes_them_stale(project: Path, name: str) -> None:
    (assets.SOURCES / name).write_text("changed")
    assert not assets.fresh()


def test_a_new_source_makes_them_stale(project: Path) -> None:
    (assets.SOURCES / "src" / "new.ts").write_text("")
    assert not assets.fresh()


def test_a_renamed_source_makes_them_stale(project: Path) -> None:
    (assets.SOURCES / "src" / "index.ts").rename(assets.SOURCES / "src" / "main.ts")
    assert not assets.fresh()


def test_assets_made_for_development_are_built_again(project: Path) -> None:
    (assets.ASSETS / "remoteEntry.js.map").write_text("{}")
    assert not assets.fresh()
