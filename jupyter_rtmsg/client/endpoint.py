"""Where a connection's requests go, and what goes with each of them."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from .address import Address
from .http import Response
from .proxy import Proxy

_SAFE = "/%:@!$&'()*+,;=~"  # what a path may hold beside letters and digits (RFC 3986, section 3.3), and escapes
_MAX_BATCH = 1_000_000
_MAX_COOKIES = 50
_MAX_COOKIE = 4096


class Endpoint:
    """The wire of a server.

    Parameters
    ----------
    address : Address
    path : str
        Where the wire is, below the address.
    query, headers : mapping
        Sent with every request.
    tls : ssl.SSLContext, optional
        For ``https``; certificates are verified by default.
    proxy : Proxy, optional
        Through which to connect.

    Attributes
    ----------
    max_batch, max_packet : int
        The largest body of several packets, and the largest single packet, that are worth sending by long-polling, in
        bytes. A proxy may take less than the server: nginx takes 1 MiB unless told otherwise.
    """

    def __init__(
        self,
        address: Address,
        path: str = "socket.io/",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self.address = address
        self.proxy = proxy
        self.tls = (tls or ssl.create_default_context()) if address.secure else None
        self.max_batch = _MAX_BATCH
        self.max_packet = sys.maxsize
        self._path = quote(address.path + path.lstrip("/"), safe=_SAFE)
        self._query = dict(query or {})
        self._headers = dict(headers or {})
        self._cookies: dict[str, str] = {}

    def target(self, transport: str, **query: str) -> str:
        """Return the path and query of a request over a transport."""
        own = {"EIO": "4", "transport": transport, **query}
        return f"{self._path}?{urlencode({**own, **self._query, **own})}"

    def headers(self, **more: str) -> dict[str, str]:
        """Return the headers of a request; ``_`` in a name stands for ``-``."""
        own = {
            "Host": self.address.authority,
            **{name.replace("_", "-"): value for name, value in more.items()},
        }
        headers = {**own, **self._headers}
        if self._cookies:
            cookies = [headers["Cookie"]] if "Cookie" in headers else []
            headers["Cookie"] = "; ".join([*cookies, *(f"{name}={value}" for name, value in self._cookies.items())])
        return headers

    def learn(self, response: Response) -> None:
        """Keep the cookies of an answer: by them a load balancer finds the server that has the session."""
        for name, value in response.headers:
            if name == "set-cookie" and len(value) <= _MAX_COOKIE:
                self._set_cookie(value)

    def refused_body(self, size: int, packets: int) -> None:
        """Learn that a body was too large for somebody on the way (413)."""
        if packets > 1:
            self.max_batch = size // 2
        else:
            self.max_packet = size - 1

    def _set_cookie(self, header: str) -> None:
        pair, _, attributes = header.partition(";")
        name, _, value = (part.strip() for part in pair.partition("="))
        gone = not value or "max-age=0" in attributes.lower().replace(" ", "").split(";")
        if gone:
            self._cookies.pop(name, None)
        elif name in self._cookies or len(self._cookies) < _MAX_COOKIES:
            self._cookies[name] = value
