"""Where tests run: which of them side by side and which alone, in which home, and without which programs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from support import programs
from support.certificate import make_certificate
from support.chromium import chromium
from support.durations import Durations
from support.logs import unthrottle_logs
from support.quick import quick_imports

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PARTS = {"shared": "not serial: side by side", "alone": "serial: they measure, and need the machine for themselves"}
# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")
LEFT_OUT = pytest.StashKey[Counter[tuple[str, str]]]()
HOME = pytest.StashKey[str]()
LINUX = "linux"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", choices=PARTS, help=f"run one part of the tests: {PARTS}")


def pytest_configure(config: pytest.Config) -> None:
    for name in programs.PROGRAMS:
        config.addinivalue_line("markers", f"needs_{name}: left out where {name} is not found")
    config.stash[LEFT_OUT] = Counter()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations())
    _move_in(config)


def pytest_sessionstart(session: pytest.Session) -> None:
    missing = [programs.want(name) for name in programs.PROGRAMS if programs.everything() and not programs.find(name)]
    if missing:
        words = f"{programs.ALL} forbids leaving tests out; they need " + "; ".join(missing)
        pytest.exit(words, pytest.ExitCode.USAGE_ERROR)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[HOME], ignore_errors=True)


def _move_in(config: pytest.Config) -> None:
    """Give this process, and those that it starts, a home of their own; what was downloaded is shared."""
    quick_imports()
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    config.stash[HOME] = tempfile.mkdtemp(prefix="rtmsg-home-")
    os.environ.setdefault("RTMSG_TEST_USERS_HOME", str(Path.home()))
    os.environ.update(HOME=config.stash[HOME], XDG_CACHE_HOME=cache)


# --- which tests


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import the files without tests that run alone, when only these run: it takes half a minute."""
    if config.getoption("--part") == "alone" and collection_path.match("test_*.py"):
        return "mark.serial" not in collection_path.read_text(encoding="utf-8") or None
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.needs_chromium)
            item.add_marker(pytest.mark.xdist_group("browser"))  # one browser at a time
        if item.get_closest_marker("needs_gcc"):
            item.add_marker(pytest.mark.linux)  # what it compiles is preloaded with LD_PRELOAD, and reads /proc
        if "certificate" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.needs_openssl)
    part = config.getoption("--part")
    kept, dropped = [], []
    for item in items:
        wrong_part = part is not None and (part == "alone") != (item.get_closest_marker("serial") is not None)
        (dropped if wrong_part or _left_out(config, item) else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    # The longest group first, or one worker would be left with it in the end.
    items[:] = sorted(kept, key=lambda item: item.get_closest_marker("browser") is None)


def _left_out(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether a program that a test needs is missing, or Linux."""
    if item.get_closest_marker("linux") and sys.platform != "linux":
        config.stash[LEFT_OUT][LINUX, item.location[0]] += 1
        return True
    needed = [name for name in programs.PROGRAMS if item.get_closest_marker(f"needs_{name}")]
    missing = next((name for name in needed if not programs.find(name)), None)
    if missing is None:
        return False
    config.stash[LEFT_OUT][missing, item.location[0]] += 1
    return True


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let the tests of a file share a worker, since they share costly fixtures, unless they name another group."""
    from xdist.scheduler import LoadGroupScheduling

    class ByGroupOrFile(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return super()._split_scope(nodeid).split("::")[0]

    return ByGroupOrFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and programs.everything():
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and {programs.ALL} forbids that: {report.longrepr}"
    # A worker sends what a test printed as UTF-8; a lone surrogate in it would end the whole run.
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


# --- what is told in the end, also of workers


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["left_out"] = dict(session.config.stash[LEFT_OUT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # Each worker collects all tests.
    node.config.stash[LEFT_OUT] |= Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    left_out = config.stash[LEFT_OUT]
    for program in sorted({program for program, _ in left_out}):
        files = ", ".join(f"{file} ({count})" for (name, file), count in sorted(left_out.items()) if name == program)
        needed = "Linux" if program == LINUX else programs.want(program)
        terminalreporter.write_line(f"left out are tests that need {needed}: {files}")


# --- what tests must not share


@pytest.fixture(autouse=True)
def _unthrottled_logs() -> None:
    """Have what was logged by one test not be left out in the next."""
    unthrottle_logs()


# --- what needs a program


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a PEM file with a certificate for localhost, which no system knows, and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "localhost.pem")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium, for tests with the marker ``browser``; those in ``tests/browser`` share one."""
    with chromium() as instance:
        yield instance
