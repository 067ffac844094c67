"""Pages of other origins: DNS rebinding, schemes, and the use of a session's id from another origin."""

from __future__ import annotations

import pytest
from support.jupyter import JupyterServer

from jupyter_rtmsg.extension.authenticator import Authenticator

POLL = "socket.io/?EIO=4&transport=polling"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
ROUTES = [POLL, "socket.io/?EIO=4&transport=websocket", "socket.io/socket.io.js", "rtmsg/api/status"]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8888", "127.0.0.1.evil.example", "192.168.1.7"])
@pytest.mark.parametrize("token", ["", None])
def test_a_page_that_calls_this_machine_by_a_name_of_its_own_is_refused(
    jupyter: JupyterServer, path: str, host: str, token: str | None
) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"} | (UPGRADE if "websocket" in path else {})
    answer = jupyter.request("GET", path, token=token, headers=headers)
    assert answer.status in (403, 404), "404: a bundle that is not built, behind Jupyter's check of the host"
    assert '"sid"' not in answer.text


@pytest.mark.parametrize(
    ("origin", "host", "secure", "trusted"),
    [
        ("http://lab.example:8888", "lab.example:8888", False, True),
        ("https://lab.example", "lab.example", True, True),
        ("https://lab.example", "lab.example", False, True),  # TLS ends at a proxy that sends no header about it
        ("https://lab.example", "lab.example:443", True, True),
        ("wss://lab.example", "lab.example", True, True),
        ("http://lab.example", "lab.example", True, False),  # the page may have been changed on the way
        ("http://lab.example:8888", "lab.example", False, False),
        ("null", "", False, False),
        ("", "", False, False),
        ("file://", "", False, False),
        ("http://lab.example@evil.example", "lab.example", False, False),
        ("http://evil.example#lab.example", "lab.example", False, False),
        ("http://lab.example.evil.example", "lab.example", False, False),
    ],
)
def test_the_scheme_of_an_origin_counts(origin: str, host: str, secure: bool, trusted: bool) -> None:
    authenticator = Authenticator({"allow_origin": ""}, "a-token")
    assert authenticator.trusts({"Origin": origin, "Host": host}, secure=secure) is trusted


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.evil.example", "xhttps://app.example"])
def test_a_pattern_must_match_all_of_an_origin(origin: str) -> None:
    authenticator = Authenticator({"allow_origin_pat": r"https://app\.example"}, "a-token")
    assert authenticator.trusts({"Origin": "https://app.example", "Host": "lab.example"})
    assert not authenticator.trusts({"Origin": origin, "Host": "lab.example"})
