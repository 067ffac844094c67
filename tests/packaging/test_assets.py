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
    monkeypatch.setattr(assets.bundle, "TARGET", tmp_path / "bundle")
    assets.bundle.TARGET.mkdir()
    (assets.bundle.TARGET / assets.bundle.VERSION).write_text("4.8.4\n")
    monkeypatch.setattr(assets, "WIDGET", tmp_path / "widget")
    assets.WIDGET.mkdir()
    (assets.WIDGET / "room.js").write_text("")
    assets.ASSETS.mkdir()
    (assets.ASSETS / assets.DIGEST).write_text(assets.digest())
    return tmp_path


def test_assets_of_these_sources_are_used_again(project: Path) -> None:
    assert assets.fresh()


def test_assets_without_a_digest_are_built_again(project: Path) -> None:
    (assets.ASSETS / assets.DIGEST).unlink()
    assert not assets.fresh()


@pytest.mark.parametrize("name", ["package.json", "yarn.lock", "src/index.ts", "style/index.ts", "widget.build.mjs"])
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


def test_without_the_client_bundle_they_are_built_again(project: Path) -> None:
    (assets.bundle.TARGET / assets.bundle.VERSION).unlink()
    assert not assets.fresh()


def test_without_the_widget_they_are_built_again(project: Path) -> None:
    (assets.WIDGET / "room.js").unlink()
    assert not assets.fresh()


def test_the_bundle_is_copied_with_its_licence_and_version(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = project / "socket.io-client"
    (package / "dist").mkdir(parents=True)
    for name in ("dist/socket.io.js", "dist/socket.io.js.map", "dist/other.txt", "LICENSE"):
        (package / name).write_text(name)
    (package / "package.json").write_text('{"version": "9.9.9"}')
    monkeypatch.setattr(assets.bundle, "SOURCE", package)
    (assets.bundle.TARGET / "socket.io.old.js").write_text("of an older version")
    assets.bundle.copy()
    assert sorted(path.name for path in assets.bundle.TARGET.iterdir()) == [
        "LICENSE",
        "socket.io.js",
        "socket.io.js.map",
        "version",
    ]
    assert (assets.bundle.TARGET / "version").read_text() == "9.9.9\n"
