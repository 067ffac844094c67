from __future__ import annotations

import hashlib
import hmac
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg.client.kernel import Kernel, this_kernel


@pytest.fixture
def in_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process look like a kernel to whoever asks ipykernel."""
    path = tmp_path / "kernel-ab12-cd.json"
    path.write_text(json.dumps({"key": "the-key", "ip": "127.0.0.1"}))
    application = SimpleNamespace(
        initialized=lambda: True, instance=lambda: SimpleNamespace(abs_connection_file=str(path))
    )
    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", SimpleNamespace(IPKernelApp=application))
    return path


def test_a_kernel_is_known_by_its_connection_file(in_kernel: Path) -> None:
    assert this_kernel() == Kernel("ab12-cd", b"the-key")


def test_elsewhere_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ipykernel.kernelapp", raising=False)
    assert this_kernel() is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "{broken"])
def test_a_connection_file_that_says_nothing_makes_a_script(in_kernel: Path, text: str) -> None:
    in_kernel.write_text(text)
    assert this_kernel() is None


def test_the_proof_is_that_of_the_wire() -> None:
    expected = hmac.new(b"the-key", b"rtmsg:socket", hashlib.sha256).hexdigest()
    assert Kernel("id", b"the-key").proof("socket") == expected


def test_a_kernel_gets_its_notebooks_subscription_without_asking(in_kernel: Path, room_name: str) -> None:
    with HubServer(kernel="course/week1.ipynb") as server:
        with rt.Client(server.url, TOKEN) as hub:
            room = hub.join(room_name)
            assert room.subscription == "course/week1.ipynb"
            (member,) = room.members
            assert (member.kind, member.name, member.notebook) == ("kernel", "week1", "course/week1.ipynb")
            room.on("n", lambda event: None)
            room.emit("n", 1)
        with rt.Client(server.url, TOKEN) as hub:
            assert hub.join(room_name).subscription == "course/week1.ipynb"


def test_a_kernel_of_another_server_is_a_script_to_this_one(
    in_kernel: Path, shared_hub: HubServer, room_name: str
) -> None:
    with rt.Client(shared_hub.url, TOKEN) as hub:
        room = hub.join(room_name)
        assert room.subscription is None
        assert room.emit("n", 1)


def test_a_client_knows_who_it_is_and_what_hub_that_is_before_it_joins(in_kernel: Path) -> None:
    with HubServer(kernel="course/week1.ipynb") as server, rt.Client(server.url, TOKEN) as hub:
        hello = hub._async.hello
        assert hello is not None
        assert (hello.kind, hello.notebook, hello.user, hub.user) == ("kernel", "course/week1.ipynb", "alice", "alice")
        assert hello.hub
        assert hello.base == "/"


def test_at_a_hub_of_0_1_0_a_kernel_still_proves_itself(in_kernel: Path, room_name: str) -> None:
    with HubServer(kernel="course/week1.ipynb", without=["hello"]) as server, rt.Client(server.url, TOKEN) as hub:
        assert hub.join(room_name).subscription == "course/week1.ipynb"
