"""A user's own token is sent neither to a server of another user nor to another machine."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg.client import owner
from jupyter_rtmsg.client.owner import Stranger, check_owner, check_socket
from jupyter_rtmsg.client.route import Found
from jupyter_rtmsg.errors import ServerUnreachable
from jupyter_rtmsg.rooms import discovery

OTHER = os.geteuid() + 4711
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make the system list these sockets: lines of address, state and user."""
    lines: list[str] = []
    monkeypatch.setattr(owner, "_PROC", tmp_path)
    return lines


def show(lines: list[str], directory: Path) -> None:
    for name, size in (("tcp", 8), ("tcp6", 32)):
        rows = [line.split() for line in lines if len(line.partition(":")[0]) == size]
        text = "".join(
            f"   {n}: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:>5} 0 {n + 1} 1 0 100\n"
            for n, (local, state, uid) in enumerate(rows)
        )
        (directory / name).write_text(HEAD + text)


def little(host: str) -> str:
    """Return an address as the system lists it, as words in the machine's byte order."""
    raw = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    return "".join(
        int.from_bytes(raw[at : at + 4], sys.byteorder).to_bytes(4, "big").hex().upper() for at in range(0, len(raw), 4)
    )


@pytest.mark.parametrize(
    ("peer", "listeners", "stranger"),
    [
        ("127.0.0.1", [], False),  # nothing is known
        ("127.0.0.1", [("127.0.0.1", os.geteuid())], False),
        ("127.0.0.1", [("127.0.0.1", 0)], False),  # root, such as the proxy of a container
        ("127.0.0.1", [("127.0.0.1", OTHER)], True),
        ("127.0.0.1", [("0.0.0.0", OTHER)], True),
        ("127.0.0.1", [("::", OTHER)], True),  # it takes IPv4, too
        ("127.0.0.1", [("::1", OTHER)], False),
        ("127.0.0.1", [("10.0.0.5", OTHER)], False),
        ("127.0.0.1", [("127.0.0.1", os.geteuid()), ("::", OTHER)], False),  # the exact address takes it
        ("::1", [("::1", OTHER), ("127.0.0.1", os.geteuid())], True),
        ("::1", [("0.0.0.0", OTHER)], False),
        ("::ffff:127.0.0.1", [("127.0.0.1", OTHER)], True),
    ],
)
def test_the_user_of_a_listening_socket_is_found(
    listed: list[str], tmp_path: Path, peer: str, listeners: list[tuple[str, int]], stranger: bool
) -> None:
    listed += [f"{little(host)}:{8888:04X} 0A {uid}" for host, uid in listeners]
    listed.append(f"{little('127.0.0.1')}:{8889:04X} 0A {OTHER + 1}")
    listed.append(f"{little('127.0.0.1')}:{8888:04X} 01 {OTHER + 1}")  # a connection, not a listener
    show(listed, tmp_path)
    if stranger:
        with pytest.raises(Stranger, match=rf"server of another user \(uid {OTHER}\).*token was not sent"):
            check_owner((peer, 8888), (peer, 50000))
    else:
        check_owner((peer, 8888), (peer, 50000))


def test_an_unreadable_list_of_sockets_accuses_nobody(listed: list[str], tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(HEAD + "   0: nonsense\n")
    check_owner(("127.0.0.1", 8888), ("127.0.0.1", 1))


def test_a_server_on_another_machine_is_refused() -> None:
    with pytest.raises(Stranger, match=r"another machine \(192\.0\.2\.7\)"):
        check_owner(("192.0.2.7", 8888), ("10.0.0.5", 50000))
    check_owner(("10.0.0.5", 9), ("10.0.0.5", 50000))


def test_a_connection_that_has_ended_cannot_be_checked() -> None:
    with pytest.raises(ConnectionResetError):
        check_owner(None, None)


def test_a_listening_socket_of_this_process_is_accepted() -> None:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((host, 0), family=family) as listener:
            check_owner((host, listener.getsockname()[1]), (host, 1))


def test_the_owner_of_a_unix_socket_is_that_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        check_socket(str(tmp_path / "s"))
        monkeypatch.setattr(owner, "_allowed", lambda: {OTHER})
        with pytest.raises(Stranger, match="another user"):
            check_socket(str(tmp_path / "s"))


# --- with a real hub


class Own:
    """A search that finds the user's own server."""

    def __init__(self, url: str) -> None:
        self.places = [Found(url, TOKEN, "as given", own=True)]

    def renewed(self, found: Found) -> None: ...
    def instead_of(self, found: Found) -> None: ...

    def hint(self, found: Found) -> str:
        return ""


async def test_nothing_is_sent_to_a_server_of_another_user(
    shared_hub: HubServer, listed: list[str], tmp_path: Path
) -> None:
    client = rt.SocketClient("", _search=Own(shared_hub.url))
    await client.connect()
    await client.disconnect()
    show([f"{little('127.0.0.1')}:{shared_hub.port:04X} 0A {OTHER}"], tmp_path)
    client = rt.SocketClient("", _search=Own(shared_hub.url))
    with pytest.raises(ServerUnreachable, match=rf"^{shared_hub.url} is a server of another user"):
        await client.connect()


async def test_the_address_of_a_host_name_where_the_users_own_server_listens_is_used(
    shared_hub: HubServer, listed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("::1", shared_hub.port), family=socket.AF_INET6) as other:
        show([f"{little('::1')}:{shared_hub.port:04X} 0A {OTHER}"], tmp_path)
        client = rt.SocketClient("", _search=Own(f"http://localhost:{shared_hub.port}/"))
        await client.connect()
        assert client.connected
        await client.disconnect()
        other.setblocking(False)
        while True:  # whoever asked there hung up, and had said nothing
            try:
                with other.accept()[0] as connection:
                    connection.setblocking(True)
                    assert connection.recv(1) == b""
            except BlockingIOError:
                break


def test_a_token_from_the_environment_is_not_sent_to_another_user(tmp_path: Path) -> None:
    local = discovery.Discovery(environment={"RTMSG_URL": "http://127.0.0.1:1/"}, runtime_dir=tmp_path).places[0]
    remote = discovery.Discovery(environment={"RTMSG_URL": "http://10.0.0.5:1/"}, runtime_dir=tmp_path).places[0]
    assert (local.own, remote.own) == (True, False)
