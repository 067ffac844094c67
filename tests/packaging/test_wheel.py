"""What the wheel holds, and that Jupyter finds it there."""

import gzip
import json
import os
import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from jupyter_rtmsg.server.bundle import NAMES

# Building the wheel takes longer than a test may.
pytestmark = pytest.mark.timeout(400)

DATA = "jupyter_rtmsg-{version}.data/data/"
LABEXTENSION = "share/jupyter/labextensions/jupyter-rtmsg/"
BUNDLE = "jupyter_rtmsg/server/static/"
WIDGET = "jupyter_rtmsg/widgets/static/"
WIDGETS = ("dashboard", "form", "missed", "queue", "room")
SERVER_CONFIG = "etc/jupyter/jupyter_server_config.d/jupyter_rtmsg.json"


class Contents:
    """The files of a wheel; those under its data folder by where they are installed."""

    def __init__(self, path: Path) -> None:
        self.archive = ZipFile(path)
        self.version = path.name.split("-")[1]
        self.names = [name.removeprefix(DATA.format(version=self.version)) for name in self.archive.namelist()]

    def data(self, name: str) -> dict:
        return json.loads(self.archive.read(DATA.format(version=self.version) + name))


@pytest.fixture(scope="module")
def contents(wheel: Path) -> Contents:
    return Contents(wheel)


def test_the_package_is_marked_as_typed(contents: Contents) -> None:
    assert "jupyter_rtmsg/py.typed" in contents.names


def test_the_command_line_is_a_command_of_jupyter(contents: Contents) -> None:
    scripts = contents.archive.read(f"jupyter_rtmsg-{contents.version}.dist-info/entry_points.txt").decode()
    assert "jupyter-rtmsg = jupyter_rtmsg.cli.main:main" in scripts.splitlines()


def test_the_frontend_has_the_version_of_the_package(contents: Contents) -> None:
    metadata = contents.archive.read(f"jupyter_rtmsg-{contents.version}.dist-info/METADATA").decode()
    assert Parser().parsestr(metadata)["Version"] == contents.version
    assert contents.data(LABEXTENSION + "package.json")["version"] == contents.version


def test_the_frontend_is_built_for_production(contents: Contents) -> None:
    scripts = [name for name in contents.names if name.startswith(LABEXTENSION + "static/") and name.endswith(".js")]
    assert any("remoteEntry" in name for name in scripts)
    assert not [name for name in contents.names if name.startswith(LABEXTENSION) and name.endswith(".map")]


def test_the_client_bundle_is_packed_whole_with_its_licence(contents: Contents) -> None:
    packed = {name.removeprefix(BUNDLE) for name in contents.names if name.startswith(BUNDLE)}
    assert packed == {*NAMES, "LICENSE", "version"}
    assert b"MIT" in contents.archive.read(BUNDLE + "LICENSE")


def test_the_widgets_are_packed_with_the_licence_of_what_they_contain(contents: Contents) -> None:
    packed = {name.removeprefix(WIDGET) for name in contents.names if name.startswith(WIDGET)}
    scripts = {f"{name}.js" for name in WIDGETS}
    assert packed == {*scripts, *(f"{name}.css" for name in WIDGETS), "LICENSE.preact", "LICENSE.flechette"}
    for name in scripts:
        script = contents.archive.read(WIDGET + name)
        assert b"sourceMappingURL" not in script
        assert len(gzip.compress(script)) < 60_000


def test_jupyter_lab_knows_which_package_the_frontend_came_with(contents: Contents) -> None:
    assert contents.data(LABEXTENSION + "install.json")["packageName"] == "jupyter_rtmsg"


def test_the_install_enables_the_server_extension(contents: Contents) -> None:
    assert contents.data(SERVER_CONFIG) == {"ServerApp": {"jpserver_extensions": {"jupyter_rtmsg": True}}}


def test_nothing_else_is_packed(contents: Contents) -> None:
    known = ("jupyter_rtmsg/", "jupyter_rtmsg-", LABEXTENSION, SERVER_CONFIG)
    assert [name for name in contents.names if not name.startswith(known)] == []
    assert [name for name in contents.names if name.startswith("jupyter_rtmsg/labextension/")] == []


def test_the_wheel_stays_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 1_500_000  # 80 kB of it are the client bundle, 235 kB its source maps


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the wheel into a folder of its own; return the environment in which Jupyter looks there."""
    prefix = tmp_path_factory.mktemp("prefix")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-installed"]
    subprocess.run([*command, "--prefix", str(prefix), str(wheel)], check=True, timeout=120)
    (packages,) = prefix.rglob("site-packages")
    return {
        **os.environ,
        "PYTHONPATH": str(packages),
        "JUPYTER_PATH": str(prefix / "share" / "jupyter"),
        # `jupyter server extension list` does not look into JUPYTER_CONFIG_PATH.
        "JUPYTER_CONFIG_DIR": str(prefix / "etc" / "jupyter"),
    }


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("labextension list", "jupyter-rtmsg v{version} enabled OK"),
        ("server extension list", "Validating jupyter_rtmsg... jupyter_rtmsg {version} OK"),
    ],
)
def test_jupyter_lists_it_as_working(
    installed: dict[str, str], contents: Contents, tmp_path: Path, command: str, line: str
) -> None:
    jupyter = [sys.executable, "-m", "jupyter", *command.split()]
    answer = subprocess.run(jupyter, env=installed, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    listing = plain(answer.stdout + answer.stderr)
    assert line.format(version=contents.version) in listing, listing


def plain(text: str) -> str:
    """Return `text` without colours, and with single spaces."""
    for colour in ("\x1b[32m", "\x1b[31m", "\x1b[0m"):
        text = text.replace(colour, "")
    return " ".join(text.split())
