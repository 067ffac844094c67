"""A client finds its server, however that was started, and nobody else gets its token."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import passwd
from support.certificate import make_certificate
from support.jupyter import JupyterServer, wait_until
from support.ports import free_port

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import AccessDenied

CONNECT = """
import jupyter_rtmsg as rt
hub = rt.connect()
lab = hub.join("lab")
print(hub.url, lab.emit("x", 1) > 0)
"""


# --- base URLs


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A JupyterLab, whose pages answer to many addresses."""
    with JupyterServer(tmp_path_factory.mktemp("lab"), command="lab", base_url="/user/lab/") as server:
        yield server


@pytest.mark.parametrize("page", ["", "lab", "lab/tree/lab/a.ipynb?reset", "tree", "notebooks/a.ipynb", "lab/lab/lab"])
@pytest.mark.parametrize("token", ["server", "scoped", "query"])
def test_the_server_is_asked_where_its_base_url_ends(lab: JupyterServer, page: str, token: str) -> None:
    if token == "query":
        page, given = f"{page}{'&' if '?' in page else '?'}token={lab.token}", None
    else:
        given = lab.token if token == "server" else lab.rtmsg_token
    with rt.Client(lab.url + page, given) as hub:
        assert hub.url == lab.url
        assert hub.join("lab").emit("x")
        hub.socket.drop()
        assert hub.rooms()  # it comes back to the same base


@pytest.mark.parametrize("page", ["", "lab", "lab/tree/a.ipynb"])
def test_a_wrong_token_is_reported_for_any_address(lab: JupyterServer, page: str) -> None:
    with pytest.raises(AccessDenied, match=rf"^{lab.url} refused the token"):
        rt.Client(lab.url + page, "wrong").connect()


def test_two_addresses_of_one_server_are_one_client(lab: JupyterServer) -> None:
    with rt.connect(lab.url, lab.token) as hub:
        assert rt.connect(lab.url + "lab/tree/a.ipynb", lab.token) is hub
        assert rt.connect(lab.url.replace("127.0.0.1", "localhost") + "lab", lab.token) is hub
        assert rt.connect(f"{lab.url}lab?token={lab.token}") is hub


# --- servers with a password, sockets, IPv6


def without_token(home: Path, **config: dict[str, Any]) -> JupyterServer:
    return JupyterServer(home, config={"IdentityProvider": {"token": None}, **config})


def answers(server: JupyterServer) -> bool:
    try:
        return server.request("GET", "rtmsg/api/status").status in (200, 403)
    except OSError:
        return False  # it tells of itself before it listens


def listening(server: JupyterServer) -> JupyterServer:
    server.start(wait=False)
    try:
        server.token = server.info()["token"]
        wait_until(lambda: answers(server), "it answers")
    except BaseException:
        server.kill()
        raise
    return server


def test_a_script_beside_a_server_with_a_password_gets_in(tmp_path: Path) -> None:
    password = {"hashed_password": passwd("a secret", algorithm="sha1")}
    with listening(without_token(tmp_path, PasswordIdentityProvider=password)) as server:
        assert server.info()["token"] == ""
        assert server.script(CONNECT) == (f"{server.url} True", "")
        by_name = CONNECT.replace("connect()", f"connect('http://localhost:{server.port}/lab')")
        assert server.script(by_name) == (f"{server.url} True", "")


@pytest.mark.parametrize(
    ("ip", "host"), [("::1", "[::1]"), ("::", "[::1]"), ("0.0.0.0", "127.0.0.1"), ("localhost", "localhost")]
)
def test_a_server_is_found_at_the_address_that_it_is_bound_to(tmp_path: Path, ip: str, host: str) -> None:
    server = JupyterServer(tmp_path, config={"ServerApp": {"ip": ip}})
    server.url = f"http://{host}:{server.port}/"
    with server:
        assert server.script(CONNECT) == (f"{server.url} True", "")
        kernel = server.start_kernel("a.ipynb")
        assert server.execute(kernel, CONNECT + "print(lab.subscription)").text.split() == [
            server.url,
            "True",
            "a.ipynb",
        ]


# --- servers that have gone, or come back with another token

WATCHER = """
import queue, sys
import jupyter_rtmsg as rt
hub = rt.connect()
lab = hub.join("lab", as_="watcher")
heard = queue.Queue()
lab.on("*", lambda event: heard.put(event.data))
print("joined", flush=True)
sys.stdin.readline()
hub.socket.ready(60)
print("stored", lab.emit("x", "mine", timeout=60) > 0, rt.connect() is hub, heard.get(timeout=60), flush=True)
"""


def test_a_script_comes_back_to_a_server_whose_default_token_is_another_now(tmp_path: Path) -> None:
    server = listening(without_token(tmp_path))
    before = server.token
    with server.start_script(WATCHER) as script:
        assert script.stdin
        assert script.stdout
        assert script.stdout.readline() == "joined\n"
        server.stop()
        with listening(server):
            assert server.token != before
            script.stdin.write("\n")
            script.stdin.flush()
            assert script.stdout.readline() == "stored True True mine\n"
            script.communicate(timeout=60)


GIVEN = """
import sys
import jupyter_rtmsg as rt
first = rt.connect(sys.argv[1], sys.argv[2])
print("joined", flush=True)
url, token = sys.stdin.readline().split()
import time
while not isinstance(first.socket.io.error, rt.errors.AccessDenied): time.sleep(0.05)
second = rt.connect(url, token)
print(second is first, second.state, first.state, rt.connect(url) is second, flush=True)
try:
    rt.connect(sys.argv[1], sys.argv[2])
except rt.errors.AccessDenied:
    print("denied")
"""


def test_a_client_whose_token_is_refused_is_not_given_back(tmp_path: Path) -> None:
    server = listening(without_token(tmp_path))
    with server.start_script(GIVEN.replace("sys.argv[1], sys.argv[2]", f"{server.url!r}, {server.token!r}")) as script:
        assert script.stdin
        assert script.stdout
        assert script.stdout.readline() == "joined\n"
        server.stop()
        with listening(server):
            out, err = script.communicate(f"{server.url} {server.token}\n", timeout=60)
            assert out.splitlines() == ["False connected offline True", "denied"], err


STALE = "import warnings\nwarnings.simplefilter('always')\n" + CONNECT + "print(rt.connect() is hub)"


def test_a_shell_that_outlived_its_server_finds_the_one_that_runs_and_says_so_once(tmp_path: Path) -> None:
    with JupyterServer(tmp_path) as server:
        stale = f"http://127.0.0.1:{free_port()}/"
        old = {"RTMSG_URL": stale, "RTMSG_TOKEN": server.rtmsg_token, "JPY_PARENT_PID": "1"}
        out, err = server.script(STALE, **old)
        assert out.split() == [server.url, "True", "True"]
        assert err.count("UserWarning") == 1
        assert f"RTMSG_URL is {stale}, where no hub answers" in err
        assert err.startswith("<string>:5: ")  # it names the caller's line
        gone = {**old, "RTMSG_URL": "http+unix://%2Fnowhere%2Fj.sock/"}
        assert server.script(CONNECT, **gone)[0] == f"{server.url} True"


def test_of_two_servers_each_kernel_finds_its_own_and_a_script_is_told_of_both(tmp_path: Path) -> None:
    with JupyterServer(tmp_path / "outer") as outer:
        inherited = {"RTMSG_URL": outer.url, "RTMSG_TOKEN": outer.rtmsg_token, "RTMSG_CAFILE": "/elsewhere.pem"}
        with JupyterServer(tmp_path / "inner", environment=inherited) as inner:
            assert inner.execute(inner.start_kernel("n.ipynb"), CONNECT).text.split() == [inner.url, "True"]
            shutil.copy(next(outer.runtime.glob("jpserver-*.json")), inner.runtime)
            code = "import jupyter_rtmsg as rt\ntry: rt.connect()\nexcept Exception as e: print(e)"
            told = inner.script(code, RTMSG_URL="")[0]
            for one in (outer, inner):
                assert f"\n      {one.url}  in {one.root}" in told
                assert inner.script(CONNECT.replace("()", f"({one.url!r})", 1))[0] == f"{one.url} True"
                assert one.token not in told


# --- certificates


@pytest.mark.needs_openssl
def test_kernels_know_the_certificate_of_their_server_whatever_name_it_holds(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "server.pem", "notebook.example.org")
    server = JupyterServer(tmp_path, certificate=certificate, environment={"SSL_CERT_FILE": None})
    with server:
        kernel = server.start_kernel("a.ipynb")
        assert server.execute(kernel, CONNECT + "print(lab.subscription)").text.split() == [
            server.url,
            "True",
            "a.ipynb",
        ]
        told = server.script(
            "import jupyter_rtmsg as rt\nfrom jupyter_rtmsg.errors import ServerUnreachable\n"
            "try: rt.connect()\nexcept ServerUnreachable as error: print(error)"
        )[0]
        assert "has a certificate that is not trusted: self" in told
        assert "tls=ssl.create_default_context(cafile=" in told


# --- uvloop

POLICY = "import asyncio, uvloop\nasyncio.set_event_loop_policy(uvloop.EventLoopPolicy())\n"


def test_server_kernel_and_script_where_uvloop_is_the_policy(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(POLICY)
    paths = os.pathsep.join(filter(None, [str(tmp_path / "site"), os.environ.get("PYTHONPATH")]))
    with JupyterServer(tmp_path, environment={"PYTHONPATH": paths}) as server:
        assert server.script(CONNECT) == (f"{server.url} True", "")
        kernel = server.start_kernel("a.ipynb")
        policy = "\nimport asyncio; print(type(asyncio.get_event_loop_policy()).__module__, lab.subscription)"
        assert server.execute(kernel, CONNECT + policy).text.split() == [server.url, "True", "uvloop", "a.ipynb"]
