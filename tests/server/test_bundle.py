"""The browser's client, served beside the wire (docs/protocol.md#socketio-bundle)."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from support.pollclient import PollClient
from support.wsclient import Response

from jupyter_rtmsg.server import bundle
from jupyter_rtmsg.server.bundle import NAMES, STATIC

PACKAGE = json.loads((Path(__file__).parents[2] / "labextension" / "package.json").read_text())


async def ask(served: Any, name: str, method: str = "GET", **headers: str) -> Response:
    exchange = await PollClient(served.port).start(method, "", path=f"/socket.io/{name}", **headers)
    if method == "HEAD":
        return Response(await exchange.reader.readuntil(b"\r\n\r\n"))
    return await exchange.answer()


def test_the_bundle_was_built():
    assert bundle.client_version() is not None, "run `make test`, or `pip install --editable .`"
    assert {path.name for path in STATIC.iterdir()} == {*NAMES, "LICENSE", "version"}


@pytest.mark.parametrize("name", NAMES)
async def test_each_file_has_its_type_its_version_and_its_bytes(serve, name):
    served = await serve()
    response = await ask(served, name)
    assert response.status == 200
    kind = "json" if name.endswith(".map") else "javascript"
    assert response.headers["content-type"] == f"application/{kind}; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=0"
    assert response.headers["etag"] == f'"{bundle.client_version()}"'
    assert response.body == (STATIC / name).read_bytes()
    if name.endswith(".js"):
        assert f"sourceMappingURL={name}.map".encode() in response.body


@pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', '"other", W/"{}"', "*"])
async def test_a_browser_that_has_it_is_told_so(serve, tag):
    served = await serve()
    response = await ask(served, "socket.io.js", If_None_Match=tag.format(bundle.client_version()))
    assert (response.status, response.body) == (304, b"")
    assert response.headers["etag"] == f'"{bundle.client_version()}"'


async def test_a_browser_that_has_another_version_gets_this_one(serve):
    served = await serve()
    assert (await ask(served, "socket.io.js", If_None_Match='"1.0.0"')).status == 200


@pytest.mark.parametrize("name", NAMES)
async def test_the_bundle_is_compressed_for_clients_that_accept_it(serve, name):
    served = await serve()
    for _ in range(2):
        response = await ask(served, name, Accept_Encoding="gzip, deflate, br")
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["vary"] == "Accept-Encoding"
        assert gzip.decompress(response.body) == (STATIC / name).read_bytes()
        assert len(response.body) < (STATIC / name).stat().st_size / 2


async def test_head_answers_with_the_headers_alone(serve):
    served = await serve()
    response = await ask(served, "socket.io.min.js", "HEAD")
    assert response.status == 200
    assert int(response.headers["content-length"]) == (STATIC / "socket.io.min.js").stat().st_size


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE",
        "version",
        "../bundle.py",
        "..%2fbundle.py",
        "socket.io.js/",
        "socket.io.js.map.map",
        "socket.io.jsx",
        "socketXio.js",
        "x/socket.io.js",
        "socket.io.slim.js",
        "%73ocket.io.js%00",
        "",
    ],
)
async def test_no_other_name_is_served(serve, name):
    served = await serve()
    response = await ask(served, name)
    assert response.status in (400, 404)
    assert b"socket.io-client" not in response.body


async def test_it_can_be_switched_off(serve):
    served = await serve(serve_client=False)
    response = await ask(served, "socket.io.js")  # a path like any other below the engine's
    assert (response.status, response.json()["message"]) == (400, "Transport unknown")


async def test_an_allowed_page_may_read_it(serve):
    served = await serve(origins=["https://lab.example"])
    response = await ask(served, "socket.io.esm.min.js", Origin="https://lab.example")
    assert response.headers["access-control-allow-origin"] == "https://lab.example"
    response = await ask(served, "socket.io.js", "OPTIONS", Origin="https://lab.example")
    assert response.status == 204
    served = await serve()
    response = await ask(served, "socket.io.js", Origin="https://lab.example")
    assert "access-control-allow-origin" not in response.headers
    assert (await ask(served, "socket.io.js", "OPTIONS", Origin="https://lab.example")).status == 405


async def test_where_it_was_not_built_the_answer_says_how_to_build_it(serve, monkeypatch, tmp_path):
    monkeypatch.setattr(bundle, "STATIC", tmp_path)
    served = await serve()
    response = await ask(served, "socket.io.js")
    assert response.status == 404
    assert response.headers["content-type"].startswith("text/plain")
    assert response.body.decode() == bundle.NOT_BUILT + "\n"
    assert "etag" not in response.headers


def test_the_served_bundle_is_the_one_on_npm():
    """Hash against the copy that the interoperability tests use, where it is installed in the same version."""
    installed = Path(__file__).parents[1] / "interop" / "node_modules" / "socket.io-client"
    if not installed.exists():
        pytest.skip("npm's socket.io-client is not installed: `make test` installs it")
    version = json.loads((installed / "package.json").read_text())["version"]
    assert version == bundle.client_version()
    for name in NAMES:
        ours, theirs = (hashlib.sha256(p.read_bytes()).hexdigest() for p in (STATIC / name, installed / "dist" / name))
        assert ours == theirs
