"""The endpoint of a server: the address, the proxy, the TLS contexts, and the headers and cookies of each request."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from .address import Address
from .http import Response
from .proxy import Proxy, proxy_for
from .route import Found, Given, Route
from .tls import contexts

_SAFE = "/%:@!$&'()*+,;=~"  # characters of a path besides letters and digits (RFC 3986, section 3.3), and of escapes
_MAX_BATCH = 1_000_000  # bytes
_MAX_COOKIES = 50
_MAX_COOKIE = 4096  # characters of a Set-Cookie header


class Endpoint:
    """Knows how to make requests at the present place of a route. The manager's `Opener` moves it with `advance`.

    When the route leads to another place, the address and everything that depends on it change; cookies are dropped,
    since they belong to the server that set them. The limits of polling bodies stay.

    Parameters
    ----------
    route : Route
        The places of the server.
    path : str
        The path of Engine.IO, below the base URL.
    query, headers : mapping
        Sent with every request.
    tls : ssl.SSLContext, optional
        For ``https``; certificates are verified by default.

    Attributes
    ----------
    address : Address
        The present base URL.
    proxy : Proxy or None
        The proxy to connect through.
    tls : sequence of ssl.SSLContext or None
        The contexts to try in this order; a None in it means no TLS.
    own : bool
        Whether the server must be one of this user, on this machine.
    max_batch, max_packet : int
        The largest body of several packets and the largest single packet that long-polling should send, in bytes. They
        shrink where a proxy accepts less than the server: nginx accepts 1 MiB unless configured otherwise.
    """

    address: Address
    proxy: Proxy | None
    tls: Sequence[ssl.SSLContext | None]
    own: bool

    def __init__(
        self,
        route: Route,
        path: str = "socket.io/",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.route = route
        self.max_batch = _MAX_BATCH
        self.max_packet = sys.maxsize
        self._wire = path.lstrip("/")
        self._query = dict(query or {})
        self._headers = dict(headers or {})
        self._given_tls = tls
        self._cookies: dict[str, str] = {}
        self._found: Found | None = None
        self._arrive()

    @classmethod
    def at(cls, url: str, **options: Any) -> Endpoint:
        """Make the endpoint of a server with a known URL; ``options`` are those of the class."""
        return cls(Route(Given(url, None)), **options)

    def advance(self, error: Exception) -> bool:
        """Move to another place after a failed attempt; return False if there is none (see `Route.advance`)."""
        advanced = self.route.advance(error)
        self._arrive()
        return advanced

    def reason(self, error: Exception) -> Exception:
        """Return the most telling error of all places, and move back to the first one (see `Route.reason`)."""
        reason = self.route.reason(error)
        self._arrive()
        return reason

    def _arrive(self) -> None:
        """Update the address, and what depends on it, from the route."""
        before, found = self._found, self.route.found
        if found == before:
            return
        if before and found.url != before.url:
            self._cookies.clear()  # they belong to the other server
        self._found = found
        address = self.address = Address.parse(found.url)
        self.proxy = proxy_for(address)
        self.own = found.own
        self.tls = contexts(self._given_tls, found.cafile) if address.secure else [None]
        self._path = quote(address.path + self._wire, safe=_SAFE)

    def target(self, transport: str, **query: str) -> str:
        """Return the path and query of a request."""
        own = {"EIO": "4", "transport": transport, **query}
        return f"{self._path}?{urlencode({**own, **self._query, **own})}"

    def headers(self, **more: str) -> dict[str, str]:
        """Return the headers of a request; keyword arguments are more headers, with ``_`` for ``-``."""
        own = {
            "Host": self.address.authority,
            **{name.replace("_", "-"): value for name, value in more.items()},
        }
        if self._found and self._found.token:
            own["Authorization"] = f"token {self._found.token}"
        headers = {**own, **self._headers}
        if self._cookies:
            cookies = [headers["Cookie"]] if "Cookie" in headers else []
            headers["Cookie"] = "; ".join([*cookies, *(f"{name}={value}" for name, value in self._cookies.items())])
        return headers

    def keep_cookies(self, response: Response) -> None:
        """Keep the cookies of a response: a load balancer uses them to find the server that has the session."""
        for name, value in response.headers:
            if name == "set-cookie" and len(value) <= _MAX_COOKIE:
                self._set_cookie(value)

    def shrink_bodies(self, size: int, packets: int) -> None:
        """Lower the limits, since the server or a proxy refused a body of ``size`` bytes (HTTP 413)."""
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
