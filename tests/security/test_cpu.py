"""Work per byte: the time that any input costs grows with its length only."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders

from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.extension.authenticator import _AUTHORIZATION
from jupyter_rtmsg.extension.kernels import _VSCODE
from jupyter_rtmsg.names import displayable, fault
from jupyter_rtmsg.server import Request
from jupyter_rtmsg.server.origin import Hosts, is_own
from jupyter_rtmsg.server.rejection import Refused
from jupyter_rtmsg.server.request import _address, _forwarded
from jupyter_rtmsg.wire import deflate
from jupyter_rtmsg.wire.socketio import Decoder

SMALL, LARGE = 4_000, 64_000
LINEAR = 16 * 6  # sixteen times as long: six times more than that may be noise, the square of it is 256


def cost(function: Callable[[str], Any], text: str) -> float:
    """Seconds of this process's CPU, the least of some runs."""
    least = float("inf")
    for _ in range(3):
        before = time.process_time()
        with contextlib.suppress(Refused, RtmsgError):
            function(text)
        least = min(least, time.process_time() - before)
    return least


def host(text: str) -> None:
    Hosts(["lab.example"]).check(Request(headers=HTTPHeaders({"Host": text}), host=text), loopback=True)


def origin(text: str) -> bool:
    return is_own(text, Request(headers={}, host="lab.example"))


def extensions(text: str) -> bool:
    return deflate._accepts(*text.split(";"))  # behind the bound on the header's length


READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "extensions: spaces": (extensions, "permessage-deflate%s;x"),
    "extensions: spaces before a value": (extensions, "permessage-deflate;a%s=1"),
    "extensions: spaces after a name": (extensions, "permessage-deflate;server_max_window_bits%s"),
    "host": (host, "%s1x"),
    "origin": (origin, "%s://x"),
    "authorization": (_AUTHORIZATION.fullmatch, "token %sa a"),
    "forwarded": (_forwarded, "for=%s"),
    "address": (_address, "[%s"),
    "packet": (Decoder().frame, "42/%s"),
    "notebook": (_VSCODE.fullmatch, "%s-jvsc-"),
    "name": (displayable, "%s"),
    "own name": (fault, "%s"),
}
UNITS = [" ", "1", "a", ":", "/", '"', '""', '";"', "\\", "-", ",", ";", "=", ".", "-jvsc-", "é"]


@pytest.mark.parametrize("reader", READERS)
def test_text_of_any_kind_is_read_in_time_that_grows_with_its_length(reader: str) -> None:
    function, form = READERS[reader]
    for unit in UNITS:
        small, large = (cost(function, form % (unit * (size // len(unit)))) for size in (SMALL, LARGE))
        assert large <= max(small, 1e-4) * LINEAR, (unit, small, large)


def test_a_header_of_spaces_is_not_even_looked_at() -> None:
    assert not deflate.accepts("permessage-deflate" + " " * 60_000)
