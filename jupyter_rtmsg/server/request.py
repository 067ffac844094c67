"""HTTP requests: their headers, query and sender, as reported by trusted reverse proxies."""

from __future__ import annotations

import ipaddress
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import tornado.web

UNIX = "unix:"  # nginx's name for peers on a Unix socket, which have no address
_NO_ADDRESS = "0.0.0.0"  # noqa: S104 - Tornado's address of a peer on a Unix socket
_MAX_HOPS = 32  # proxies read from a header, nearest first
_MAX_FORWARDED = 8_192  # characters of a `Forwarded` header that are parsed
_FORWARDED = re.compile(r'"(?:[^"\\]|\\.)*"?|[;,]|[^";,]+')  # the pieces of a header (RFC 7239, section 4)
_PORT = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:]*))(?::\d+)?")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request to an engine. `Session.request` is the one that opened the session.

    Attributes
    ----------
    headers : mapping of str to str
        Case-insensitive.
    query : dict of str to str
        The query parameters of the URL.
    address : str
        The client's IP address; behind a trusted proxy, the address that the proxy forwards.
    secure : bool
        Whether the client is known to use TLS, to this server or to a trusted proxy.
    url : str
        The path and query, unchanged.
    host : str
        Host and port that the client asked for, from ``Host`` or a trusted proxy; ``""`` if unknown.
    method : str
        The HTTP method.
    """

    headers: Any = field(repr=False)  # may hold cookies and tokens
    query: dict[str, str] = field(default_factory=dict, repr=False)
    address: str = ""
    secure: bool = False
    url: str = field(default="", repr=False)  # holds the session's id
    host: str = ""
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Handshake:
    """The data of a client's handshake.

    Attributes
    ----------
    headers, query, address, secure, url
        Of the HTTP request, see `jupyter_rtmsg.server.Request`.
    auth : dict
        The object that the client sent with CONNECT.
    time : float
        Seconds since 1970.
    """

    headers: Any = field(repr=False)
    query: dict[str, str] = field(repr=False)
    address: str
    secure: bool
    url: str = field(repr=False)
    auth: dict[str, Any] = field(repr=False)
    time: float


class Hop(NamedTuple):
    """One proxy's report of the request that it received. Empty fields are unknown."""

    address: str
    scheme: str
    host: str


class TrustedProxies:
    """Reads forwarded headers from trusted reverse proxies.

    Parameters
    ----------
    networks : iterable of str
        Addresses and networks of proxies (``"127.0.0.1"``, ``"10.0.0.0/8"``); ``"unix:"`` for all peers on a Unix
        socket.

    Raises
    ------
    ValueError
        If an entry is neither an address nor a network.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        names = [networks] if isinstance(networks, str) else list(networks)
        self._unix = UNIX in names
        self._networks = [ipaddress.ip_network(name, strict=False) for name in names if name != UNIX]

    def describe(self, handler: tornado.web.RequestHandler) -> Request:
        """Return the request of a handler, with the forwarded address, scheme and host if its proxy is trusted."""
        request = handler.request
        headers = request.headers
        address, scheme, host = request.remote_ip or "", request.protocol, headers.get("Host", "")
        if (self._networks or self._unix) and self._trusts(address):
            address, scheme, host = self._client(_hops(headers), Hop(address, scheme, host))
        return Request(
            headers=headers,
            query=query_of(handler),
            address=address,
            secure=scheme.lower() in ("https", "wss"),
            url=request.uri or "",
            host=host,
            method=request.method or "",
        )

    def _client(self, hops: list[Hop], known: Hop) -> Hop:
        """Return the first hop, nearest first, whose address is not a trusted proxy. Hops beyond it may be forged."""
        for hop in reversed(hops):
            address = _address(hop.address)
            known = Hop(str(address or known.address), hop.scheme or known.scheme, hop.host or known.host)
            if address is None or not self._trusts(str(address)):  # the client, or "unknown"
                break
        return known

    def _trusts(self, address: str) -> bool:
        if address == _NO_ADDRESS:
            return self._unix
        ip = _address(address)
        return ip is not None and any(ip in network for network in self._networks)


def query_of(handler: tornado.web.RequestHandler) -> dict[str, str]:
    """Return the query parameters, with invalid UTF-8 replaced (`get_query_argument` would answer 400 to it)."""
    arguments = handler.request.query_arguments.items()
    return {key: values[-1].decode(errors="replace") for key, values in arguments if values}


def _hops(headers: Mapping[str, str]) -> list[Hop]:
    """Return the proxies' reports, nearest last, from the ``X-Forwarded-*`` headers or else from ``Forwarded``."""
    addresses, schemes, hosts = (_list(headers, "X-Forwarded-" + name) for name in ("For", "Proto", "Host"))
    count = max(len(addresses), len(schemes), len(hosts))
    if not count:
        return _forwarded(headers.get("Forwarded", ""))
    # A proxy that appends its address may set scheme and host only once, so shorter lists are padded at the front.
    return [Hop(*row) for row in zip(*(_padded(values, count) for values in (addresses, schemes, hosts)), strict=True)]


def _list(headers: Mapping[str, str], name: str) -> list[str]:
    value = headers.get(name, "")
    return [part.strip() for part in value.rsplit(",", _MAX_HOPS)[-_MAX_HOPS:]] if value else []


def _padded(values: list[str], count: int) -> list[str]:
    return [(values or [""])[0]] * (count - len(values)) + values


def _forwarded(text: str) -> list[Hop]:
    """Parse ``for=203.0.113.7;proto=https, for="[2001:db8::1]:4711"``. The sender of a longer header is unknown."""
    if len(text) > _MAX_FORWARDED:
        return [Hop("unknown", "", "")]
    elements: deque[list[list[str]]] = deque([[[]]], _MAX_HOPS)  # element -> parameters -> pieces
    for piece in _FORWARDED.findall(text):
        if piece == ",":
            elements.append([[]])
        elif piece == ";":
            elements[-1].append([])
        else:
            elements[-1][-1].append(piece)
    return [_hop(map("".join, parameters)) for parameters in elements if parameters != [[]]]


def _hop(parameters: Iterable[str]) -> Hop:
    pairs = {}
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        quoted = value.startswith('"')
        pairs[name.lower()] = re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"')) if quoted else value
    return Hop(pairs.get("for", ""), pairs.get("proto", ""), pairs.get("host", ""))


def _address(text: str) -> Address | None:
    """Parse an IP address with or without a port; return None if it is neither."""
    bare = _PORT.fullmatch(text)
    try:
        ip = ipaddress.ip_address((bare and (bare["six"] or bare["four"])) or text)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip
