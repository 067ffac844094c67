"""The wheel, built once for all tests that look into it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of this checkout, built as ``pip install .`` builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    # The build looks for the settings of pip and yarn in the user's home.
    users = {**os.environ, "HOME": os.environ["RTMSG_TEST_USERS_HOME"]}
    subprocess.run(command, check=True, timeout=300, env=users)
    (path,) = folder.glob("*.whl")
    return path
