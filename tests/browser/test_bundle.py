"""A page that needs no other host: it loads the client from the server that it talks to, and polls and upgrades."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from support.nginx import proxy
from support.patience import eventually
from support.webserver import WebServer, web_server

WAYS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}

CONNECT = """async ({ url, transports }) => {
    const socket = window.socket = io(url, { transports, reconnectionDelay: 50 });
    window.numbers = [];
    socket.on('n', n => window.numbers.push(n));
    await new Promise((resolve, reject) => {
        socket.on('connect', resolve);
        socket.on('connect_error', reject);
    });
    if (transports.length > 1 && socket.io.engine.transport.name === 'polling')
        await new Promise(resolve => socket.io.engine.on('upgrade', resolve));
    return socket.io.engine.transport.name;
}"""

TALK = """async () => {
    const bytes = new Uint8Array(100_000).map((_, i) => i % 256);
    const [text, back] = await socket.timeout(20000).emitWithAck('echo', 'Zoë 😀', bytes);
    const same = bytes.every((byte, i) => new Uint8Array(back)[i] === byte);
    const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) => socket.timeout(20000).emitWithAck('echo', i).then(([n]) => n))
    );
    const count = await socket.timeout(20000).emitWithAck('count', 200);
    return { text, same, answers, count, numbers: window.numbers, name: socket.io.engine.transport.name };
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return what opens a page that may load nothing from anywhere else; no script of it may have failed."""
    context = browser.new_context(ignore_https_errors=True)
    failures: list[Any] = []

    def open_page(home: str, *hosts: str) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(error))
        allowed = (home, *hosts)
        page.route(lambda url: not url.startswith(allowed), lambda route: route.abort())
        page.goto(home + "/")
        return page

    yield open_page
    context.close()
    assert failures == []


def talks(page: Page, url: str, way: str) -> None:
    """Connect in one of the ways, and exchange text, bytes and bursts."""
    final = WAYS[way][-1]
    assert page.evaluate(CONNECT, {"url": url, "transports": WAYS[way]}) == final
    said = page.evaluate(TALK)
    assert (said["text"], said["same"], said["count"]) == ("Zoë 😀", True, 200)
    assert said["answers"] == list(range(40))
    assert said["numbers"] == list(range(200))
    assert said["name"] == final


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["socket.io.js", "socket.io.min.js"])
def test_a_page_loads_the_client_and_talks(
    open_page: Callable[..., Page], server: WebServer, name: str, way: str
) -> None:
    page = open_page(server.url)
    page.add_script_tag(url=f"/socket.io/{name}")
    talks(page, server.url, way)


@pytest.mark.parametrize("way", WAYS)
def test_a_module_imports_the_client_and_talks(open_page: Callable[..., Page], server: WebServer, way: str) -> None:
    page = open_page(server.url)
    page.evaluate("async () => { window.io = (await import('/socket.io/socket.io.esm.min.js')).io; }")
    talks(page, server.url, way)


def test_the_browser_asks_again_and_is_told_that_it_has_it(open_page: Callable[..., Page], server: WebServer) -> None:
    page = open_page(server.url)
    page.unroute_all()  # a page whose requests are looked at has no cache
    path = "/socket.io/socket.io.msgpack.min.js"
    for _ in range(2):
        page.evaluate("async path => { await (await fetch(path)).text(); }", path)

    def asked() -> list[str]:
        return [line for line in server.requests if path in line]

    eventually(lambda: len(asked()) == 2)  # the server notes a request behind its answer
    assert asked() == [f"200 GET {path}", f"304 GET {path}"]


@pytest.mark.parametrize("way", WAYS)
def test_a_page_of_an_allowed_origin_loads_the_client_and_talks(
    open_page: Callable[..., Page], server: WebServer, way: str
) -> None:
    with web_server(origins=[server.url]) as other:
        page = open_page(server.url, other.url, other.url.replace("http", "ws"))
        page.evaluate(
            "async url => { window.io = (await import(url)).io; }", f"{other.url}/socket.io/socket.io.esm.min.js"
        )
        talks(page, other.url, way)


def test_a_foreign_page_gets_nothing(open_page: Callable[..., Page], server: WebServer) -> None:
    with web_server() as other:
        page = open_page(server.url, other.url)
        page.add_script_tag(url="/socket.io/socket.io.js")
        refused = "async options => { try { await (%s)(options); } catch { return socket.disconnect() && 'refused'; } }"
        for transports in WAYS.values():
            assert page.evaluate(refused % CONNECT, {"url": other.url, "transports": transports}) == "refused"
        assert other.sockets == []


def test_closing_the_page_ends_its_session(open_page: Callable[..., Page]) -> None:
    with web_server() as server:
        for way in ("polling", "upgrade"):
            page = open_page(server.url)
            page.add_script_tag(url="/socket.io/socket.io.js")
            page.unroute_all()  # a request that is looked at waits until this thread, which waits for it, looks
            talks(page, server.url, way)
            # Between two GETs nothing tells a server that a page is gone, but the pong that never comes.
            eventually(lambda: server.sockets[-1].conn.ready)
            page.close()
            eventually(lambda: not server.sockets[-1].connected)


@pytest.mark.needs_nginx
@pytest.mark.needs_openssl
@pytest.mark.parametrize("way", WAYS)
def test_a_page_behind_a_proxy_that_ends_tls_talks(open_page: Callable[..., Page], server: WebServer, way: str) -> None:
    """Its origin is `https`, and the server knows of no TLS."""
    with proxy(int(server.url.rpartition(":")[2])) as front:
        home = front.tls_url.rstrip("/")
        page = open_page(home)
        page.add_script_tag(url=f"{home}/socket.io/socket.io.js")
        talks(page, home, way)
        page.close()


MSGPACK = """async ({ url, transports }) => {
    const socket = io(url, { transports, reconnectionDelay: 10 });
    let refused = null;
    await new Promise(resolve => {
        socket.on('connect', resolve);
        socket.on('connect_error', error => { refused = error.message; resolve(); });
    });
    if (refused) return { refused, comesBack: socket.active };
    const data = { bytes: new Uint8Array([0, 255]).buffer, date: new Date(1700000000123), nothing: undefined };
    const [back] = await socket.timeout(20000).emitWithAck('echo', data);
    socket.disconnect();
    return { bytes: [...new Uint8Array(back.bytes)], date: back.date.getTime(), nothing: back.nothing };
}"""


@pytest.mark.parametrize("way", WAYS)
def test_the_client_with_the_other_parser_talks(open_page: Callable[..., Page], way: str) -> None:
    with web_server(parser="msgpack") as server:
        page = open_page(server.url)
        page.add_script_tag(url="/socket.io/socket.io.msgpack.min.js")
        said = page.evaluate(MSGPACK, {"url": server.url, "transports": WAYS[way]})
        assert said == {"bytes": [0, 255], "date": 1700000000123, "nothing": None}


@pytest.mark.parametrize("way", WAYS)
def test_the_client_with_the_wrong_parser_is_refused_with_words(
    open_page: Callable[..., Page], server: WebServer, way: str
) -> None:
    page = open_page(server.url)
    page.add_script_tag(url="/socket.io/socket.io.msgpack.min.js")
    said = page.evaluate(MSGPACK, {"url": server.url, "transports": WAYS[way]})
    assert "the server speaks the parser 'json', the client 'msgpack'" in said["refused"]
    assert not said["comesBack"]
