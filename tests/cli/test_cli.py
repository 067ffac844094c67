"""The command line, against real hubs: what it prints, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.hub import OTHER_TOKEN, TOKEN, HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg.cli.main import main
from jupyter_rtmsg.rooms.ndjson import encode_line

ROOT = Path(__file__).parents[2]
Run = Callable[..., str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A hub with a log on disk."""
    with HubServer(f"sqlite:///{tmp_path_factory.mktemp('log') / 'log.sqlite3'}") as server:
        yield server


@pytest.fixture
def run(server: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, and returns what it prints; ``status`` is the expected exit status."""
    monkeypatch.setenv("RTMSG_URL", server.url)
    monkeypatch.setenv("RTMSG_TOKEN", TOKEN)

    def run(*arguments: object, status: int = 0) -> str:
        assert main(list(map(str, arguments))) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    return run


def test_a_room_goes_into_a_file_and_into_another_room(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "lab.ndjson.gz"
    first = int(run("emit", "lab", "metric", '{"loss": 0.5}'))
    assert int(run("emit", "lab", "word", "שלום", "--text", "--id", "a")) > first
    assert run("emit", "lab", "word", "שלום", "--text", "--id", "a") == run(
        "emit", "lab", "word", "שלום", "--text", "--id", "a"
    )
    assert run("export", "lab", path, "--quiet") == f"2 events are in {path}\n"
    assert run("import", path, "copy") == "2 events are stored in room copy\n"
    assert run("import", path, "copy") == "0 events are stored in room copy; 2 were there\n"
    table = run("rooms").splitlines()
    assert table[0].split() == ["room", "events", "bytes", "members", "newest"]
    assert [line.split()[:2] for line in table[1:]] == [["copy", "2"], ["lab", "2"]]
    assert {room["room"] for room in map(json.loads, run("rooms", "--json").splitlines())} == {"copy", "lab"}
    lines = run("tail", "copy", "--no-follow").splitlines()
    assert [line.rpartition("  ")[2] for line in lines] == ['{"loss": 0.5}', '"שלום"']
    assert run("import", path, "wrapped", "--envelope")
    wrapped = json.loads(run("tail", "wrapped", "--no-follow", "--json", "-n", 1))
    assert (wrapped["data"]["data"], wrapped["data"]["from"]["user"]) == ("שלום", "alice")
    assert json.loads(run("tail", "lab", "--no-follow", "--json", "--event", "metric"))["data"] == {"loss": 0.5}


def test_what_a_member_sent_does_not_drive_the_terminal(run: Run, server: HubServer) -> None:
    with rt.Client(server.url, OTHER_TOKEN).connect() as client:
        client.join("hostile").emit("n", "\x1b[2J\x9b2J\u202eabc")
    assert set(run("tail", "hostile", "--no-follow")).isdisjoint("\x1b\x9b\u202e")
    assert run("tail", "hostile", "--no-follow", "--json").isascii()


def test_attachments_survive_and_damaged_events_are_left_out(run: Run, server: HubServer, tmp_path: Path) -> None:
    sender = rt.Sender("ann", "kernel", "train", "m")
    damaged = rt.Event("lab", "$corrupt", None, 2, 1, 1_800_000_000_000, sender)
    whole = rt.Event("lab", "image", {"png": b"\x89PNG", "$bytes": [b""]}, 1, 0, 1_800_000_000_000, sender)
    path = tmp_path / "x.ndjson"
    path.write_bytes(encode_line(whole) + encode_line(damaged))
    assert run("import", path, "pictures") == "1 events are stored in room pictures; 1 are damaged and left out\n"
    with rt.Client(server.url, TOKEN).connect() as client:
        assert client.join("pictures").history().data == [{"png": b"\x89PNG", "$bytes": [b""]}]


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["emit", "lab", "metric", "{loss: 1}"], 1, "DATA is JSON, and '{loss: 1}' is none"),
        (["emit", "lab", "metric", "NaN"], 1, "nan is not JSON"),
        (["emit", "a b", "metric"], 1, "Write 'a-b'"),
        (["emit", "lab", "$secret"], 1, "secret"),
        (["export", "lab", "x.xlsx"], 1, "'x.xlsx' says no format that is known"),
        (["export", "lab", "/nowhere/x.csv"], 1, "/nowhere: there is no such directory"),
        (["import", "/nowhere/x.ndjson", "lab"], 1, "/nowhere/x.ndjson: No such file"),
        (["rooms", "--url", "http://localhost:9/?token=secret"], 2, "set RTMSG_TOKEN instead"),
        (["rooms", "--url", "http://me:secret@localhost:9/"], 2, "set RTMSG_TOKEN instead"),
        (["rooms", "--url", "http://127.0.0.1:9/"], 1, "127.0.0.1:9"),
        (["verify", "/nowhere/log"], 2, "there is no file /nowhere/log"),
        (["dump", "x", "--log", "/nowhere/log"], 1, "there is no file /nowhere/log"),
        (["dump", "x", "--log", "memory:"], 1, "a log in memory has no file"),
        (["restore", "/nowhere/x", "--log", "/nowhere/log"], 1, "there is no file /nowhere/x"),
    ],
)
def test_an_error_is_one_line(run: Run, arguments: list[str], status: int, why: str) -> None:
    said = run(*arguments, status=status)
    assert said.startswith("jupyter rtmsg: ")
    assert why in said
    assert said.count("\n") == 1
    assert "secret" not in said or "$secret" in said


@pytest.mark.parametrize("line", [b"no json", b"[" * 100_000, b'{"room":"x","event":"n","ts":1,"data":NaN}'])
def test_a_hostile_file_is_refused_with_its_line(run: Run, tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "x.ndjson"
    path.write_bytes(line)
    assert "x.ndjson, line 1: " in run("import", path, "lab", status=1)


def test_a_token_of_the_environment_goes_only_where_it_belongs(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    emit = ["emit", "who", "n", "--url", server.url]
    monkeypatch.setenv("RTMSG_TOKEN", OTHER_TOKEN)
    monkeypatch.delenv("RTMSG_URL", raising=False)
    assert main(emit) == 0
    monkeypatch.setenv("RTMSG_URL", "http://127.0.0.1:9/")  # then the token is that server's
    assert main(emit) == 0
    with rt.Client(server.url, TOKEN).connect() as client:
        users = [event.sender.user for event in client.join("who").history()]
    assert users == ["bob", "alice"]  # alice is who shows no token


@pytest.mark.parametrize("arguments", [[], ["fly"], ["emit"], ["tail", "lab", "-n", "-1"]])
def test_a_wrong_command_shows_how_it_is_used(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: jupyter rtmsg" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["rooms", "tail", "emit", "export", "import", "verify", "dump", "restore"])
def test_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], [command, "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert f"  jupyter rtmsg {command}" in capsys.readouterr().out


def test_a_log_is_verified_dumped_and_restored(run: Run, server: HubServer, tmp_path: Path) -> None:
    log = server.log.removeprefix("sqlite:///")
    run("emit", "kept", "n", "1")
    copy = tmp_path / "copy.sqlite3"
    assert "nothing is damaged" in run("verify", "--log", server.log)
    assert json.loads(run("verify", log, "--json"))["damaged"] == 0
    assert run("dump", copy, "--log", server.log).startswith(f"{copy}: ")
    assert "exists: choose another name" in run("dump", copy, "--log", log, status=1)
    assert "a server uses the log" in run("restore", copy, "--log", log, status=1)
    assert run("restore", copy, "--log", tmp_path / "new" / "log.sqlite3").endswith("log.sqlite3 is restored\n")
    assert "nothing is damaged" in run("verify", tmp_path / "new" / "log.sqlite3")


INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("jupyter_rtmsg.cli", run_name="__main__", alter_sys=True)
"""
"""Runs the module as ``python -m`` does. Under a shell's background job, processes begin with SIGINT ignored."""


def command(server: HubServer, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RTMSG_URL": server.url, "RTMSG_TOKEN": TOKEN}
    words = [sys.executable, "-c", INTERRUPTIBLE, *arguments]
    return subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_tail_follows_until_it_is_interrupted(run: Run, server: HubServer) -> None:
    run("emit", "live", "n", "1")
    with command(server, "tail", "live") as tail:
        assert tail.stdout
        assert tail.stdout.readline().endswith("n  1\n")
        run("emit", "live", "n", "2")
        assert tail.stdout.readline().endswith("n  2\n")
        tail.send_signal(signal.SIGINT)
        rest, said = tail.communicate(timeout=30)
    assert (tail.returncode, rest, said) == (130, "", "")


def test_data_come_from_the_input(server: HubServer) -> None:
    with command(server, "emit", "input", "n", "-", stdin=subprocess.PIPE) as emit:
        told, said = emit.communicate('{"a": 1}', timeout=30)
    assert (emit.returncode, said) == (0, "")
    assert int(told) > 0
