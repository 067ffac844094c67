"""How the tests themselves are run: no test is left out without a word, and those that measure run last and alone."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import programs
from support.ports import free_port

pytestmark = pytest.mark.timeout(300)

TESTS = Path(__file__).parents[1]
PROJECT = """
import os, sys, time
import pytest

@pytest.mark.serial
def test_measures():
    assert "PYTEST_XDIST_WORKER" not in os.environ

@pytest.mark.needs_nginx
def test_serves(): pass

@pytest.mark.parametrize("n", range(4))
def test_shares(n):
    assert "PYTEST_XDIST_WORKER" in os.environ
    assert os.environ["HOME"] != os.environ["RTMSG_TEST_USERS_HOME"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with tests that run as ours do."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p conftest\nmarkers = browser\n serial\n")
    (tmp_path / "test_all.py").write_text(PROJECT)
    return tmp_path


def run(project: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run the project's tests as `make test` does; return the exit status and all that was printed."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "RTMSG_"))}
    environment = {**inherited, "PYTHONPATH": str(TESTS), **variables}
    command = [sys.executable, str(TESTS / "run.py"), "-n", "1", *arguments]
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=250)
    return result.returncode, result.stdout + result.stderr


def closing_lines(output: str) -> list[str]:
    return [
        line.strip("= ").split(" in ")[0] for line in output.splitlines() if re.search(r"(passed|failed).* in ", line)
    ]


def test_tests_that_measure_run_after_the_others_and_alone_and_both_are_counted(project: Path) -> None:
    status, output = run(project, NGINX=sys.executable)
    assert (status, [line.split(",")[0] for line in closing_lines(output)]) == (0, ["5 passed", "1 passed"]), output


def test_a_selection_of_one_part_is_enough_and_of_none_is_an_error(project: Path) -> None:
    assert run(project, "-k", "measures")[0] == 0
    assert run(project, "-k", "nothing")[0] == 5


def test_a_failure_of_either_part_is_a_failure(project: Path) -> None:
    for body in ("def test_fails(): assert 0", "import pytest\n@pytest.mark.serial\ndef test_fails(): assert 0"):
        (project / "test_more.py").write_text(body)
        status, output = run(project, NGINX=sys.executable)
        assert (status, len(closing_lines(output))) == (1, 2)
        assert output.count("1 failed") == 1


def test_a_missing_program_leaves_its_tests_out_and_a_line_names_them(project: Path) -> None:
    status, output = run(project, NGINX="/nowhere/nginx")
    (line,) = (line for line in output.splitlines() if line.startswith("left out"))
    assert line.startswith(
        "left out are tests that need nginx, which is not here (Debian and Ubuntu: apt install nginx-"
    )
    assert line.endswith(": test_all.py (1)")
    assert (status, "skipped" in output) == (0, False)
    assert [line.split(",")[0] for line in closing_lines(output)] == ["4 passed", "1 passed"]


def test_where_nothing_may_be_left_out_a_missing_program_is_an_error(project: Path) -> None:
    variables = {**dict.fromkeys(map(str.upper, programs.PROGRAMS), "/nowhere"), programs.ALL: "1"}
    status, output = run(project, **variables)
    assert status == 4
    assert "forbids leaving tests out; they need chromium, which is not here" in output
    script = [sys.executable, programs.__file__]
    assert subprocess.run(script, env={**os.environ, **variables}, capture_output=True).returncode == 1


def test_where_nothing_may_be_left_out_a_skipped_test_has_failed(project: Path) -> None:
    (project / "test_all.py").write_text("import pytest\ndef test_x(): pytest.skip('no fork here')\n")
    everywhere = {name.upper(): sys.executable for name in programs.PROGRAMS}
    everywhere["OPENSSL"] = "/bin/true"  # Python knows no `version`
    everywhere["NGINX"] = "/bin/true"
    status, output = run(project, **everywhere, **{programs.ALL: "1"})
    assert (status, closing_lines(output)) == (1, ["1 failed"])
    assert "no fork here" in output


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_a_program_is_looked_for_because_a_test_needs_it(name: str) -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py") if "node_modules" not in path.parts
    )
    assert f"mark.needs_{name}" in sources


def test_tests_with_an_nginx_say_so() -> None:
    for path in TESTS.glob("*/test_*.py"):
        source = path.read_text(encoding="utf-8")
        if "from support.nginx import" in source:
            assert "mark.needs_nginx" in source, path
            assert "mark.needs_openssl" in source, path


def test_a_port_that_is_called_free_is_kept_for_the_server_that_is_told_it() -> None:
    port = free_port()
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", port))
    with socket.socket() as other, pytest.raises(OSError, match="in use") as refused:
        other.bind(("127.0.0.1", port))
    assert refused.value.errno == errno.EADDRINUSE
    with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
        pass
