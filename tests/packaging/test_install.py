"""What `make run` installs, and what it says when that fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import install
import pytest

PIP = """#!{python}
import json, os, pathlib, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if "wheel" in sys.argv:
    (pathlib.Path(sys.argv[sys.argv.index("--wheel-dir") + 1]) / "one-1-py3-none-any.whl").touch()
sys.exit({status} if {fails!r} in sys.argv else 0)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def python(folder: Path, log: Path, fails: str = "nothing", status: int = 1) -> str:
    """Return a Python whose pip only notes what it is asked for."""
    path = folder / "python"
    path.write_text(PIP.format(python=sys.executable, log=str(log), fails=fails, status=status))
    path.chmod(0o755)
    return str(path)


def test_the_frontend_is_built_while_its_needs_are_installed_and_comes_last(tmp_path: Path, log: Path) -> None:
    assert install.install(python(tmp_path, log), ["examples"]) == 0
    *both, last = [json.loads(line) for line in log.read_text().splitlines()]
    wheel, needs = sorted(both, key=lambda command: "install" in command)
    assert "wheel" in wheel
    assert wheel[-1] == str(install.ROOT)
    assert {"jupyterlab>=4.4.8,<5", "matplotlib>=3.8"} <= set(needs)
    assert last[-1].endswith("one-1-py3-none-any.whl")
    assert "--no-deps" in last


@pytest.mark.parametrize("fails", ["wheel", "jupyterlab>=4.4.8,<5"])
def test_a_step_that_fails_ends_it(tmp_path: Path, log: Path, fails: str) -> None:
    assert install.install(python(tmp_path, log, fails, 3), ["examples"]) == 3
    assert len(log.read_text().splitlines()) == 2


def test_the_message_of_a_waiting_build_names_the_other_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(install.assets, "ASSETS", tmp_path)  # a checkout where nothing was built
    assert "with a Node.js from PyPI, since none is here, and" in install.announce()


def test_an_installation_with_a_build_has_no_warning_about_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install.assets, "ASSETS", tmp_path)
    (tmp_path / install.assets.DIGEST).write_text(install.assets.digest())
    monkeypatch.setattr(install.assets.bundle, "complete", lambda: True)
    assert install.announce() == "Installing what has changed."
