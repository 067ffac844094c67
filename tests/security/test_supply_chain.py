"""Build dependencies are pinned, and the lowest allowed dependencies have no known advisory."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import bindings
import pytest

ROOT = Path(__file__).parents[2]


def test_every_npm_package_has_a_checksum_on_every_platform() -> None:
    """Yarn stores no checksums for packages with conditions: a file of ours has them."""
    lock = (ROOT / "labextension" / "yarn.lock").read_text()
    ours = ("@workspace:", "@link:")  # folders of this repository
    entries = [
        entry for entry in lock.split("\n\n") if "resolution:" in entry and not any(map(entry.__contains__, ours))
    ]
    assert len(entries) > 100
    without = [entry for entry in entries if "checksum:" not in entry]
    versions = {re.search("version: (.*)", entry)[1] for entry in without}  # type: ignore[index]
    names = {re.search(r'resolution: "(.*)@npm:', entry)[1] for entry in without}  # type: ignore[index]
    assert names == {path.rpartition("/")[0] for path in bindings.pins() if path.count("/") == 2}
    assert len(names) == 14
    assert versions == {"2.2.9"}, "the checksums are of this version"


def test_no_checksum_depends_on_when_the_repository_was_cloned() -> None:
    """Yarn packs a ``link:`` with its files' times, so the checksum of a patched one holds in one clone only."""
    lock = (ROOT / "labextension" / "yarn.lock").read_text()
    assert [line for line in lock.split("\n") if "@patch:" in line and "@link%3A" in line] == []


def test_a_changed_program_keeps_the_build_from_running(tmp_path: Path) -> None:
    package = tmp_path / "@rspack" / "binding-linux-x64-gnu"
    package.mkdir(parents=True)
    (package / "rspack.linux-x64-gnu.node").write_bytes(b"something else")
    (tmp_path / "@rspack" / "binding-of-evil").mkdir()
    wrong = bindings.faults(tmp_path)
    assert [line.split(" ")[0] for line in wrong] == [
        "@rspack/binding-linux-x64-gnu/rspack.linux-x64-gnu.node", "binding-of-evil",
    ]  # fmt: skip
    assert bindings.faults(ROOT / "labextension" / "node_modules") == []


@pytest.mark.parametrize("lock", ["tests/interop/package-lock.json", "benchmarks/peers/package-lock.json"])
def test_every_package_of_npms_locks_has_one(lock: str) -> None:
    packages = json.loads((ROOT / lock).read_text())["packages"]
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("tornado", (6, 5, 6)),
        ("jupyter_server", (2, 21)),
        ("jupyterlab", (4, 4, 8)),
        ("h11", (0, 16)),
        (r"python-socketio\[asyncio_client\]", (5, 16, 2)),
        ("jupyterhub", (5, 4, 5)),
        ("scikit-learn", (1, 5)),
        ("pyarrow", (23, 0, 1)),
        ("pillow", (13, 0)),
    ],
)
def test_floors_have_no_advisory_that_a_later_version_mends(name: str, least: tuple[int, ...]) -> None:
    """Each is the first version without one (docs/security.md)."""
    floor = re.search(rf'"{name}>=([\d.]+)', (ROOT / "pyproject.toml").read_text())
    assert floor is not None
    assert tuple(map(int, floor[1].split("."))) >= least


def test_nothing_is_pickled() -> None:
    for path in (ROOT / "jupyter_rtmsg").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert not {"pickle", "marshal", "shelve", "dill", "cloudpickle"} & {*names, module}, path


def test_the_tests_that_the_threat_model_names_are_there() -> None:
    named = re.findall(r"`((?!_)[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs" / "security.md").read_text())
    assert len(named) > 25
    for path, function in named:
        source = (ROOT / "tests" / path).read_text()
        assert not function or f"def {function}(" in source, f"{path}::{function}"
