from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import jupyter_rtmsg as rt

_ROOT = Path(__file__).parents[2]


def run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(_ROOT)}, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()


def test_the_public_names_are_these() -> None:
    assert rt.__all__ == [
        "AsyncClient", "AsyncRoom", "Client", "Event", "Events", "Member", "NotDurable", "Receipt", "Room",
        "RtmsgError", "Sender", "Socket", "SocketClient", "connect", "dashboard", "notify", "payload", "watch_run",
    ]  # fmt: skip
    assert len(rt.__all__) <= 20
    assert all(getattr(rt, name).__doc__ for name in rt.__all__)
    assert set(rt.__all__) <= set(dir(rt))
    assert not hasattr(rt, "nothing")


def test_importing_the_package_imports_next_to_nothing() -> None:
    assert (
        run("import sys; before = set(sys.modules); import jupyter_rtmsg; print(len(set(sys.modules) - before))") < "9"
    )


def test_the_client_needs_no_jupyter_server() -> None:
    heavy = "jupyter_server tornado.web tornado.httpserver sqlite3 ipykernel IPython pandas numpy traitlets"
    code = f"import sys, jupyter_rtmsg as rt; rt.connect; print([m for m in {heavy.split()} if m in sys.modules])"
    assert run(code) == "[]"


@pytest.mark.serial
def test_importing_is_quick() -> None:
    code = "import time; t = time.process_time(); import jupyter_rtmsg; print(time.process_time() - t)"
    assert min(float(run(code)) for _ in range(5)) < 0.2
