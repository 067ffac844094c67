"""What a request without credentials learns, and credentials in what people see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.jupyter import JupyterServer

from jupyter_rtmsg.client.address import Address
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.redaction import redacted
from jupyter_rtmsg.server.request import Request

POLL = "socket.io/?EIO=4&transport=polling"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nats://ada:secret@loft:4222/x", "nats://loft:4222/x"),
        ("nats://ada:sec/r@et@loft/x", "nats://loft/x"),
        ("nats://key@loft", "nats://loft"),
        ("sqlite:////home/ada@work/log.sqlite3", "sqlite:////home/ada@work/log.sqlite3"),
        ("http://host:8888/user/a@b/", "http://host:8888/user/a@b/"),
        ("GET /socket.io/?EIO=4&sid=Abc-123&t=x HTTP/1.1", "GET /socket.io/?EIO=4&sid=***&t=x HTTP/1.1"),
        ("see http://h/lab?token=abc#x", "see http://h/lab?token=***#x"),
        ("Authorization: Bearer abcdefghijklmnop0123", "Authorization: Bearer ***"),
        ("no secret here, and none at all: a@b", "no secret here, and none at all: a@b"),
    ],
)
def test_credentials_are_taken_out_of_texts(text: str, shown: str) -> None:
    assert redacted(text) == shown


async def test_errors_and_reprs_hold_no_credentials() -> None:
    with pytest.raises(ValueError, match="is not the URL of a log") as refused:
        await open_log("nats://ada:secret@loft")
    assert "secret" not in str(refused.value)
    with pytest.raises(ValueError, match="is no URL") as wrong:
        Address.parse("ftp://ada:secret@loft/?token=secret")
    assert "secret" not in str(wrong.value)
    request = Request({"Cookie": "secret"}, {"sid": "secret"}, url="/?sid=secret")
    assert "secret" not in repr(request)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server whose log has an unknown address with a password."""
    config = {"RtmsgApp": {"log_url": "carrier-pigeon://ada:seeds@loft"}}
    with JupyterServer(tmp_path_factory.mktemp("jupyter"), config=config) as server:
        yield server


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", [POLL, "socket.io/", "socket.io/?EIO=4&transport=websocket", "rtmsg/api/status"])
def test_an_unauthenticated_client_is_not_told_why_the_hub_did_not_start(
    broken: JupyterServer, method: str, path: str
) -> None:
    answer = broken.request(method, path, token=None)
    assert answer.status >= 400 or method == "OPTIONS"
    for secret in ("carrier-pigeon", "loft", "seeds", "Traceback", str(broken.home)):
        assert secret not in answer.text, answer.text


def test_a_text_for_authorized_users_has_no_password(broken: JupyterServer) -> None:
    for path in (POLL, "rtmsg/api/status"):
        answer = broken.request("GET", path)
        assert answer.status == 503
        assert "carrier-pigeon://loft" in answer.text
        assert "seeds" not in answer.text
    assert "seeds" not in broken.log_text()
