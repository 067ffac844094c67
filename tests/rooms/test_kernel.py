from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg.rooms.kernel import Kernel, is_kernel, this_kernel


@pytest.fixture
def in_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process look like a kernel to whoever asks ipykernel."""
    path = tmp_path / "kernel-ab12-cd.json"
    path.write_text(json.dumps({"key": "the-key", "ip": "127.0.0.1"}))
    application = SimpleNamespace(
        initialized=lambda: True,
        instance=lambda: SimpleNamespace(
            abs_connection_file=str(path), iopub_thread=SimpleNamespace(_master_pid=os.getpid())
        ),
    )
    monkeypatch.setattr("jupyter_rtmsg.rooms.hello.is_known", lambda address: True)  # whatever it connects to
    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", SimpleNamespace(IPKernelApp=application))
    return path


def test_a_kernel_is_known_by_its_connection_file(in_kernel: Path) -> None:
    assert this_kernel() == Kernel("ab12-cd", b"the-key")


def test_the_key_of_a_kernel_is_not_shown() -> None:
    assert repr(Kernel("ab12-cd", b"the-key")) == "<Kernel ab12-cd>"


def test_elsewhere_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ipykernel.kernelapp", raising=False)
    assert this_kernel() is None
    assert not is_kernel()


@pytest.mark.parametrize("option", ["-f {}", "--f={}", "--connection-file={}", "--connection-file {}"])
def test_a_kernel_that_is_not_ipykernel_is_known_by_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.delitem(sys.modules, "ipykernel.kernelapp", raising=False)
    path = tmp_path / "kernel-ef56.json"
    path.write_text(json.dumps({"key": "the-key"}))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "xpython_launcher", *option.format(path).split(), "--raw"])
    assert this_kernel() == Kernel("ef56", b"the-key")


@pytest.mark.parametrize("arguments", ["look.py {}", "-m jupyter_console --existing {}", "run.py -f other.json", "-f"])
def test_a_script_is_never_taken_for_a_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    monkeypatch.delitem(sys.modules, "ipykernel.kernelapp", raising=False)
    path = tmp_path / "kernel-ef56.json"
    path.write_text(json.dumps({"key": "the-key"}))
    monkeypatch.setattr(sys, "orig_argv", ["python", *arguments.format(path).split()])
    assert this_kernel() is None


def test_a_kernel_behind_a_gateway_proves_itself_with_its_given_key(in_kernel: Path) -> None:
    given = {"KERNEL_RTMSG_KEY": "the-secret"}
    assert this_kernel(given) == Kernel("ab12-cd", b"the-secret")
    in_kernel.unlink()
    assert this_kernel(given) == Kernel("ab12-cd", b"the-secret")


def test_the_key_of_a_kernel_is_not_inherited_by_its_child_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ipykernel.kernelapp", raising=False)
    assert this_kernel({"KERNEL_RTMSG_KEY": "the-secret"}) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("known_before", [True, False])
def test_a_forked_child_counts_as_another_process_and_not_as_the_kernel(tmp_path: Path, known_before: bool) -> None:
    """By its arguments the parent is a kernel, and the child has the same."""
    path = tmp_path / "kernel-ef56.json"
    path.write_text(json.dumps({"key": "the-key"}))
    script = tmp_path / "launcher.py"
    script.write_text(f"""
import os, sys
if {known_before}:
    from jupyter_rtmsg.client.processes import process_id
    parent = process_id()
else:
    parent = ""
reading, writing = os.pipe()
if os.fork() == 0:
    from jupyter_rtmsg.rooms.kernel import is_kernel
    from jupyter_rtmsg.client.processes import process_id
    os.write(writing, str((is_kernel(), process_id() == parent)).encode())
    os._exit(0)
from jupyter_rtmsg.rooms.kernel import is_kernel
print(os.read(reading, 100).decode(), is_kernel())
""")
    environment = {"PYTHONPATH": str(Path(rt.__file__).parents[1])}
    command = [sys.executable, str(script), "-f", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(False, False) True"


@pytest.mark.parametrize("text", ["", "{}", "[]", "{broken"])
def test_a_connection_file_that_says_nothing_makes_a_script(in_kernel: Path, text: str) -> None:
    in_kernel.write_text(text)
    assert this_kernel() is None


def test_the_proof_is_that_of_the_wire() -> None:
    kernel = Kernel("id", b"the-key")
    expected = hmac.new(b"the-key", b"rtmsg 2\nhttp://h:1/\nsocket", hashlib.sha256).hexdigest()
    assert kernel.proof("http://h:1/", "socket") == expected
    assert kernel.proof_1("socket") == hmac.new(b"the-key", b"rtmsg:socket", hashlib.sha256).hexdigest()


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


def test_a_client_has_its_user_and_the_hubs_id_before_it_joins(in_kernel: Path) -> None:
    with HubServer(kernel="course/week1.ipynb") as server, rt.Client(server.url, TOKEN) as hub:
        hello = hub._async.hello
        assert hello is not None
        assert (hello.kind, hello.notebook, hello.user, hub.user) == ("kernel", "course/week1.ipynb", "alice", "alice")
        assert hello.hub
        assert hello.base == "/"


def test_at_a_hub_of_0_1_0_a_kernel_still_proves_itself(in_kernel: Path, room_name: str) -> None:
    with HubServer(kernel="course/week1.ipynb", without=["hello"]) as server, rt.Client(server.url, TOKEN) as hub:
        assert hub.join(room_name).subscription == "course/week1.ipynb"


def test_a_kernel_of_another_server_is_a_script_to_this_one_and_is_told_so_once(
    in_kernel: Path, shared_hub: HubServer, room_name: str
) -> None:
    with rt.Client(shared_hub.url, TOKEN) as hub:
        with pytest.warns(UserWarning, match=f"room .{room_name}.: the Jupyter server at .* does not know") as told:
            room = hub.join(room_name)
        assert "join(" in str(told[0].message)
        assert told[0].filename == __file__, "it belongs to the cell that joined"
        assert room.subscription is None
        assert room.emit("n", 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            hub.join(f"{room_name}-b")


async def test_code_that_awaits_is_told_where_it_awaits(in_kernel: Path, shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        with pytest.warns(UserWarning, match="does not know this kernel") as told:
            await hub.join(room_name)
        assert told[0].filename == __file__


@pytest.mark.parametrize("start", [{"as_": "me"}, {"last": 1}, {"since": 1.0}, {"after": 0}])
def test_a_join_with_an_explicit_start_gets_no_notice(
    in_kernel: Path, shared_hub: HubServer, room_name: str, start: dict[str, object]
) -> None:
    with warnings.catch_warnings(), rt.Client(shared_hub.url, TOKEN) as hub:
        warnings.simplefilter("error")
        hub.join(room_name, **start)


def test_a_dashboard_is_told_nothing_since_its_readers_would_see_it(
    in_kernel: Path, shared_hub: HubServer, room_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOILA_PREHEAT", "False")
    with warnings.catch_warnings(), rt.Client(shared_hub.url, TOKEN) as hub:
        warnings.simplefilter("error")
        hub.join(room_name)


def test_a_script_is_told_nothing(shared_hub: HubServer, room_name: str) -> None:
    with warnings.catch_warnings(), rt.Client(shared_hub.url, TOKEN) as hub:
        warnings.simplefilter("error")
        hub.join(room_name)
