from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_rtmsg.client import servers
from jupyter_rtmsg.client.route import Found
from jupyter_rtmsg.errors import ServerNotFound
from jupyter_rtmsg.rooms.discovery import Discovery

_RTMSG = {"RTMSG_URL": "http://127.0.0.1:1111/base/", "RTMSG_TOKEN": "scoped"}
_HUB = {"JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:2222/user/alice/", "JUPYTERHUB_API_TOKEN": "hub"}


def find_server(*args: Any, **options: Any) -> Found:
    return Discovery(*args, **options).places[0]


@pytest.fixture
def running(tmp_path: Path) -> Any:
    """Write what a running server writes; return the directory."""

    def write(port: int, pid: int = os.getpid(), **fields: Any) -> Path:
        server = {"pid": pid, "port": port, "url": f"http://127.0.0.1:{port}/", "token": f"token-{port}", **fields}
        (tmp_path / f"jpserver-{port}.json").write_text(json.dumps(server))
        return tmp_path

    return write


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def test_arguments_come_first(tmp_path: Path) -> None:
    found = find_server("http://example.org:80/a", "t", environment={**_RTMSG, **_HUB}, runtime_dir=tmp_path)
    assert found[:2] == ("http://example.org:80/a/", "t")


def test_the_extension_of_the_kernels_server_comes_second(tmp_path: Path) -> None:
    assert find_server(environment={**_RTMSG, **_HUB}, runtime_dir=tmp_path)[:2] == (_RTMSG["RTMSG_URL"], "scoped")


def test_a_given_token_is_used_with_any_server_that_is_found(tmp_path: Path) -> None:
    assert find_server(token="mine", environment=_RTMSG, runtime_dir=tmp_path).token == "mine"


def test_jupyterhub_comes_third_at_an_address_that_can_be_reached(tmp_path: Path) -> None:
    found = find_server(environment=_HUB, runtime_dir=tmp_path)
    assert found[:2] == ("http://127.0.0.1:2222/user/alice/", "hub")


def test_the_server_that_started_this_process_comes_fourth(running: Any) -> None:
    running(1)
    directory = running(2, pid=os.getppid())
    environment = {"JPY_PARENT_PID": str(os.getppid())}
    assert find_server(environment=environment, runtime_dir=directory)[:2] == ("http://127.0.0.1:2/", "token-2")


def test_the_only_running_server_comes_last_and_dead_ones_do_not_count(running: Any) -> None:
    running(1, pid=dead_pid())
    directory = running(2)
    (directory / "jpserver-3.json").write_text("{half a fi")
    (directory / "jpserver-4.json").write_text("[]")
    assert find_server(environment={}, runtime_dir=directory)[:2] == ("http://127.0.0.1:2/", "token-2")


def test_an_error_names_everything_that_was_tried(running: Any) -> None:
    running(1, root_dir="/home/ada/a")
    directory = running(2, root_dir="/home/ada/b")
    with pytest.raises(ServerNotFound) as caught:
        find_server(environment={"JPY_PARENT_PID": "999999999"}, runtime_dir=directory)
    for what in (
        "RTMSG_URL",
        "JUPYTERHUB_SERVICE_URL",
        "JPY_PARENT_PID=999999999",
        "2 Jupyter servers are running:\n      http://127.0.0.1:1/  in /home/ada/a\n      http://127.0.0.1:2/  in",
    ):
        assert what in str(caught.value)
    assert "token-1" not in str(caught.value)


def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(ServerNotFound, match="no Jupyter server is running"):
        find_server(environment={}, runtime_dir=tmp_path)


@pytest.mark.parametrize("url", ["http://localhost:7/", "http://127.0.0.1:7/", "http://127.0.0.1:7/lab/tree/a.ipynb"])
def test_the_token_of_a_server_of_ones_own_is_looked_up(running: Any, url: str) -> None:
    assert find_server(url, environment={}, runtime_dir=running(7)).token == "token-7"
    assert find_server("http://127.0.0.1:8/", environment={}, runtime_dir=running(7)).token is None
    assert find_server("http://example.org:7/", environment={}, runtime_dir=running(7)).token is None


def test_the_token_of_the_environment_goes_to_its_own_server_only(tmp_path: Path) -> None:
    assert find_server(_RTMSG["RTMSG_URL"], environment=_RTMSG, runtime_dir=tmp_path).token == "scoped"
    assert find_server("http://evil.example/base/", environment=_RTMSG, runtime_dir=tmp_path).token is None


def test_a_token_in_a_copied_address_is_taken_out_of_it(tmp_path: Path) -> None:
    found = Discovery("http://127.0.0.1:5/lab?token=abc", environment={}, runtime_dir=tmp_path).places
    assert [place[:2] for place in found] == [("http://127.0.0.1:5/lab/", "abc"), ("http://127.0.0.1:5/", "abc")]


# --- base URLs, of servers of one's own


@pytest.mark.parametrize("base", ["/", "/user/lab/", "/lab/", "/user/tree/lab/", "/notebooks/notebooks/"])
@pytest.mark.parametrize("page", ["", "lab", "lab/tree/lab/a.ipynb", "tree/tree", "notebooks/lab/b.ipynb"])
def test_the_base_url_of_a_server_of_ones_own_is_known(running: Any, base: str, page: str) -> None:
    directory = running(7, url=f"http://127.0.0.1:7{base}")
    found = Discovery(f"http://127.0.0.1:7{base}{page}", environment={}, runtime_dir=directory).places
    assert [place.url for place in found] == [f"http://127.0.0.1:7{base}"]
    assert found[0].token == "token-7"
    named = {"RTMSG_URL": f"http://127.0.0.1:7{base}", "RTMSG_TOKEN": "scoped"}
    found = Discovery(f"http://localhost:7{base}{page}", environment=named, runtime_dir=directory.parent).places
    assert [place[:2] for place in found] == [(f"http://127.0.0.1:7{base}", "scoped")]


def test_a_path_that_is_not_a_page_of_jupyter_is_another_server(running: Any) -> None:
    found = Discovery("http://127.0.0.1:7/user/ada/", environment=_HUB, runtime_dir=running(7)).places
    assert [place[:2] for place in found] == [("http://127.0.0.1:7/user/ada/", None)]


def test_a_url_from_the_environment_has_no_other_base(tmp_path: Path) -> None:
    found = Discovery(environment={"RTMSG_URL": "http://127.0.0.1:1/user/lab/"}, runtime_dir=tmp_path).places
    assert [place.url for place in found] == ["http://127.0.0.1:1/user/lab/"]


# --- tokens of one's own: whose they are, and where they go


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "data" / "rtmsg").mkdir(parents=True)
    (tmp_path / "data" / "rtmsg" / "token").write_text("scoped-token\n")
    return tmp_path / "data"


def test_a_server_with_a_password_is_entered_with_the_scoped_token(running: Any, data_dir: Path) -> None:
    directory = running(7, token="", password=True)
    for url in (None, "http://127.0.0.1:7/", "http://localhost:7/lab"):
        found = find_server(url, environment={}, runtime_dir=directory, data_dir=data_dir)
        assert found == Found("http://127.0.0.1:7/", "scoped-token", found.how, own=True)
    for url in ("http://127.0.0.1:8/", "http://example.org:7/", "http://127.0.0.1:7/other/"):
        assert find_server(url, environment={}, runtime_dir=directory, data_dir=data_dir).token is None


def test_the_token_of_a_server_goes_to_the_address_that_it_is_bound_to(running: Any) -> None:
    """`localhost` may be ``[::1]``, too, where another user listens; and a machine's name may be another machine."""
    directory = running(7)
    assert find_server("http://localhost:7/", environment={}, runtime_dir=directory).url == "http://127.0.0.1:7/"
    assert find_server("http://[::1]:7/", environment={}, runtime_dir=directory).url == "http://127.0.0.1:7/"
    for hostname, url in (("0.0.0.0", "http://127.0.0.1:7/a/"), ("::", "http://[::1]:7/a/")):
        running(7, url="http://box.example:7/a/", hostname=hostname)
        assert find_server(environment={}, runtime_dir=directory).url == url
    running(7, url="https://box.example:7/a/", hostname="0.0.0.0")
    url = find_server(environment={}, runtime_dir=directory).url
    assert url == "https://box.example:7/a/"  # the certificate may name the host


def test_a_token_that_is_given_is_the_callers_to_send(running: Any, data_dir: Path) -> None:
    found = find_server("http://localhost:7/lab", "mine", environment={}, runtime_dir=running(7), data_dir=data_dir)
    assert found == Found("http://localhost:7/", "mine", "as given", given=True)
    assert "mine" not in repr(found)


def test_with_tls_the_host_is_the_one_that_was_given(running: Any) -> None:
    """The certificate names it, perhaps."""
    directory = running(7, url="https://127.0.0.1:7/user/lab/")
    for environment in ({}, {"RTMSG_URL": "https://127.0.0.1:7/user/lab/", "RTMSG_TOKEN": "token-7"}):
        found = find_server("https://localhost:7/user/lab/lab", environment=environment, runtime_dir=directory)
        assert found[:2] == ("https://localhost:7/user/lab/", "token-7")


def test_a_file_written_by_another_user_is_ignored(
    running: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = running(7, token="")
    monkeypatch.setattr(servers, "_is_ours", lambda uid: uid != os.geteuid())
    assert servers.scoped_token(data_dir) is None
    with pytest.raises(ServerNotFound, match="no Jupyter server is running"):
        find_server(environment={}, runtime_dir=directory, data_dir=data_dir)


def test_a_token_that_was_found_is_looked_up_again_and_a_given_one_is_not(running: Any) -> None:
    directory = running(7)
    found = Discovery(environment={}, runtime_dir=directory)
    given = Discovery("http://127.0.0.1:7/", "token-7", environment={}, runtime_dir=directory)
    assert found.renewed(found.places[0]) is None  # it is the same
    running(7, token="new")
    again = found.renewed(found.places[0])
    assert again == found.places[0]._replace(token="new")
    assert given.renewed(given.places[0]) is None
    running(7, url="http://127.0.0.1:7/other/")
    assert found.renewed(found.places[0]) is None


# --- a variable that outlived its server


def test_the_one_server_that_runs_is_there_instead_of_a_stale_variable(running: Any) -> None:
    search = Discovery(environment=_RTMSG, runtime_dir=running(7))
    instead = search.instead_of(search.places[0])
    assert instead
    assert instead[:2] == ("http://127.0.0.1:7/", "token-7")
    assert search.instead_of(instead) is None


@pytest.mark.parametrize(
    ("environment", "arguments", "ports"),
    [
        (_RTMSG, {}, [7, 8]),
        (_RTMSG, {}, []),
        (_RTMSG, {"url": _RTMSG["RTMSG_URL"]}, [7]),
        (_RTMSG, {"token": "given"}, [7]),
        ({**_RTMSG, "RTMSG_URL": "http://10.0.0.5:1111/base/"}, {}, [7]),
        (_HUB, {}, [7]),
        ({**_RTMSG, "RTMSG_URL": "http://127.0.0.1:7/"}, {}, [7]),
    ],
)
def test_there_is_nothing_instead(running: Any, tmp_path: Path, environment: Any, arguments: Any, ports: Any) -> None:
    for port in ports:
        running(port)
    search = Discovery(**arguments, environment=environment, runtime_dir=tmp_path)
    assert search.instead_of(search.places[0]) is None


def test_a_variable_is_named_as_the_reason_and_the_servers_that_run(running: Any) -> None:
    running(7, root_dir="/home/ada")
    search = Discovery(environment=_RTMSG, runtime_dir=running(8, root_dir="/home/ada/b"))
    hint = search.hint(search.places[0])
    assert hint.startswith(". RTMSG_URL names this server; running are:\n      http://127.0.0.1:7/  in /home/ada\n")
    assert "token" not in hint
    search = Discovery("http://127.0.0.1:1/", environment=_RTMSG, runtime_dir=running(8))
    assert search.hint(search.places[0]) == ""


def test_a_shell_whose_scoped_token_was_replaced_takes_the_new_one(running: Any, data_dir: Path) -> None:
    directory = running(7)
    environment = {"RTMSG_URL": "http://127.0.0.1:7/", "RTMSG_TOKEN": "old"}
    search = Discovery(environment=environment, runtime_dir=directory, data_dir=data_dir)
    again = search.renewed(search.places[0])
    assert again
    assert again.token == "scoped-token"
    last = search.renewed(again)
    assert last
    assert last.token == "token-7"  # of a server with another data directory
