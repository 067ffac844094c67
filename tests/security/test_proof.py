"""The proof of a kernel is valid for one hub only, and only for the kernel's own principal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.jupyter import JupyterServer
from support.socketio_peer import Peer, connected

import jupyter_rtmsg as rt
from jupyter_rtmsg.hub import Claim, Hub
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.proof import kernel_proof, kernel_proof_1
from jupyter_rtmsg.server import Server


def key_of(server: JupyterServer, kernel: str) -> bytes:
    return str(json.loads((server.runtime / f"kernel-{kernel}.json").read_text())["key"]).encode()


def hello(peer: Peer, kernel: str, proof: str, **fields: Any) -> str:
    """Return the kind that the hub gives to a connection."""
    return str(peer.command("hello", kernel=kernel, proof=proof, **fields)["kind"])


@pytest.fixture
def kernel(jupyter: JupyterServer) -> str:
    return jupyter.start_kernel()


def test_a_proof_for_another_address_is_refused(jupyter: JupyterServer, kernel: str) -> None:
    key = key_of(jupyter, kernel)
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        for address in ("http://evil.example/", "http://evil.example:80/lab", f"{jupyter.url}other/", "no address"):
            assert hello(peer, kernel, kernel_proof(key, address, peer.id), address=address) == "script"
            assert hello(peer, kernel, kernel_proof(key, address, peer.id), address=jupyter.url) == "script"
        own = jupyter.url
        assert hello(peer, kernel, kernel_proof(key, own, "another-connection"), address=own) == "script"
        assert hello(peer, kernel, kernel_proof(key, own, peer.id), address=own) == "kernel"


def test_a_proof_of_0_1_0_is_taken_for_this_connection_only(jupyter: JupyterServer, kernel: str) -> None:
    key = key_of(jupyter, kernel)
    with connected(jupyter, auth={"token": jupyter.rtmsg_token}) as peer:
        other = peer.command("prove", kernel=kernel, proof=kernel_proof_1(key, "another-connection"))
        assert other["error"]["code"] == "bad_proof"
        assert peer.command("prove", kernel=kernel, proof=kernel_proof_1(key, peer.id))["kind"] == "kernel"


@pytest.mark.parametrize("old", [False, True])
def test_a_proof_counts_only_from_the_principal_of_the_kernels(tmp_path: Path, old: bool) -> None:
    with JupyterServer(tmp_path, config={"RtmsgApp": {"single_user": False}}) as server:
        kernel = server.start_kernel()
        key = key_of(server, kernel)
        for token, kind in ((server.token, "script"), (server.rtmsg_token, "kernel")):
            with connected(server, auth={"token": token}) as peer:
                proof = kernel_proof_1(key, peer.id) if old else kernel_proof(key, server.url, peer.id)
                fields = {} if old else {"address": server.url}
                assert hello(peer, kernel, proof, **fields) == kind


class Relay:
    """A malicious hub: it keeps the proofs that kernels send, to use them at their own server."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []

    async def __aenter__(self) -> Relay:
        self._log = await open_log("memory:")
        self._io = Server()

        async def prove(claim: Claim) -> None:
            self.shown.append(claim._asdict())

        self._hub = Hub(self._io, self._log, prove=prove)
        await self._hub.start()
        self.url = f"http://127.0.0.1:{await self._io.listen()}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hub.close()
        await self._io.close()
        await self._log.close()


async def test_a_kernel_shows_its_proof_to_servers_of_its_own_user_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kernel-ab12-cd.json"
    path.write_text(json.dumps({"key": "the-key"}))
    application = SimpleNamespace(
        initialized=lambda: True, instance=lambda: SimpleNamespace(abs_connection_file=str(path))
    )
    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", SimpleNamespace(IPKernelApp=application))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    async with Relay() as stranger, Relay() as own:
        monkeypatch.setenv("RTMSG_URL", own.url)
        for hub in (stranger, own):
            async with rt.AsyncClient(hub.url, "any"):
                pass
        assert stranger.shown == []
        (claim,) = own.shown
        assert claim["address"] == own.url
        assert claim["proof"] == kernel_proof(b"the-key", own.url, claim["socket_id"])


def test_a_hub_that_hands_on_a_kernels_challenge_gains_nothing(jupyter: JupyterServer, kernel: str) -> None:
    """Answer as a kernel of any version would, including one that does not check the address."""
    key, evil = key_of(jupyter, kernel), "http://evil.example/"
    with connected(jupyter, auth={"token": jupyter.token}, headers={"Host": "127.0.0.1"}) as thief:
        relayed = kernel_proof(key, evil, thief.id)
        for address in (evil, jupyter.url, None):
            assert hello(thief, kernel, relayed, address=address) == "script"
