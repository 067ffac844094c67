"""A polling session opened without credentials: its id, which is in every URL, does not replace the token."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import socketio
from support.jupyter import DEADLINE, Answer, JupyterServer

INTEROP = Path(__file__).parents[1] / "interop"
POLL = "socket.io/?EIO=4&transport=polling"
PAGE = {"Origin": "http://app.example", "User-Agent": "Mozilla/5.0 (X11) Gecko/1"}
CLIENT = """
const { io } = require('socket.io-client');
const [url, path, token] = process.argv.slice(1);
const socket = io(url, { path, auth: { token } });
const transport = () => socket.io.engine.transport.name;
socket.on('connect', async () => {
  const reply = await socket.emitWithAck('publish', { room: 'lab', event: 'hello' });
  console.log(JSON.stringify({ ok: reply.ok, transport: transport() }));
  socket.close();
});
socket.on('connect_error', error => { console.log(JSON.stringify({ error: error.message })); socket.close(); });
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    config = {"ServerApp": {"allow_origin": "http://app.example"}}
    with JupyterServer(tmp_path_factory.mktemp("jupyter"), config=config) as server:
        yield server


def ask(server: JupyterServer, path: str, body: str | None = None, **headers: str) -> Answer:
    """Send a request without credentials in its headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
    connection.request("GET" if body is None else "POST", f"/{path}", body, headers)
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    return answer


def opened(server: JupyterServer, **headers: str) -> str:
    """Open a polling session; return the path of its requests."""
    return f"{POLL}&sid={json.loads(ask(server, POLL, **headers).text[1:])['sid']}"


@pytest.mark.parametrize(
    "thief",
    [
        {},
        {"Origin": "http://evil.example", "User-Agent": PAGE["User-Agent"]},
        {"Origin": "http://app.example.evil.example", "User-Agent": PAGE["User-Agent"]},
        {"Origin": "null", "User-Agent": PAGE["User-Agent"]},
        {"Origin": "http://app.example", "User-Agent": "Mozilla/5.0 (Windows) Chrome/1"},
        {"Origin": "http://app.example"},
    ],
)
def test_the_id_of_a_session_is_worth_nothing_in_another_page_or_browser(
    server: JupyterServer, thief: dict[str, str]
) -> None:
    session = opened(server, **PAGE)
    for body in (None, '40{"token":"x"}'):
        answer = ask(server, session, body, **thief)
        assert (answer.status, answer.json()) == (400, {"code": 1, "message": "Session ID unknown"})
    assert ask(server, session, "40", **PAGE).text == "ok", "the session goes on"


def test_a_token_in_connect_is_refused_over_polling(server: JupyterServer) -> None:
    session = opened(server, **PAGE)
    connect = "40" + json.dumps({"token": server.token})
    assert ask(server, session, connect, **PAGE).text == "ok"
    refused = ask(server, session, **PAGE).text
    assert refused.startswith("44")
    assert "needs a WebSocket" in refused


def test_a_wrong_token_is_refused_at_once_over_polling(server: JupyterServer) -> None:
    session = opened(server, **PAGE)
    assert ask(server, session, '40{"token":"wrong"}', **PAGE).text == "ok"
    assert "The token is wrong" in ask(server, session, **PAGE).text


def test_socket_io_client_comes_in_with_a_token_in_connect(server: JupyterServer) -> None:
    """The client sends its CONNECT over polling, and upgrades meanwhile."""
    command = ["node", "-e", CLIENT, server.url, "/socket.io/", server.token]
    done = subprocess.run(command, cwd=INTEROP, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert json.loads(done.stdout) == {"ok": True, "transport": "websocket"}, done.stderr


@pytest.mark.parametrize("synchronous", [False, True])
async def test_python_socketio_comes_in_with_a_token_in_connect(server: JupyterServer, synchronous: bool) -> None:
    """The client upgrades before its CONNECT. The synchronous client uses another HTTP library for that."""
    if synchronous:
        pytest.importorskip("requests")
        pytest.importorskip("websocket")
        client = socketio.Client(reconnection=False)
        client.connect(server.url, auth={"token": server.token}, wait_timeout=DEADLINE)
        assert client.call("publish", {"room": "lab", "event": "hello"}, timeout=DEADLINE)["ok"]
        client.disconnect()
        return
    peer = socketio.AsyncClient(reconnection=False)
    await peer.connect(server.url, auth={"token": server.token}, wait_timeout=DEADLINE)
    assert (await peer.call("publish", {"room": "lab", "event": "hello"}, timeout=DEADLINE))["ok"]
    await peer.disconnect()


async def test_after_the_upgrade_the_id_opens_nothing_any_more(server: JupyterServer) -> None:
    peer = socketio.AsyncClient(reconnection=False)
    await peer.connect(server.url, auth={"token": server.token}, wait_timeout=DEADLINE)
    session = f"{POLL}&sid={peer.eio.sid}"
    for body in (None, '42["publish",{"room":"lab","event":"forged"}]'):
        assert ask(server, session, body).status == 400
    assert (await peer.call("history", {"room": "lab", "event": "forged"}, timeout=DEADLINE))["events"] == []
    await peer.disconnect()


def test_the_id_of_a_session_is_in_no_log(server: JupyterServer) -> None:
    session = opened(server)
    ask(server, session, Referer=f"http://127.0.0.1/{session}")
    ask(server, session.replace("polling", "unknown"), Referer=f"http://127.0.0.1/{session}")
    assert session.partition("sid=")[2] not in server.log_text()
