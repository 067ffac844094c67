"""What trusted reverse proxies tell of a request: who sent it, to which host, and whether by TLS."""

from __future__ import annotations

import ipaddress
import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import tornado.web

from .request import Request

UNIX = "unix:"  # nginx's word for peers on a Unix socket, which have no address
_NO_ADDRESS = "0.0.0.0"  # noqa: S104 - what Tornado tells of a peer on a Unix socket
_MOST_HOPS = 32  # that are looked at: the nearest ones
_LONGEST = 8_192  # characters of a `Forwarded` that are looked at
_FORWARDED = re.compile(r'"(?:[^"\\]|\\.)*"?|[;,]|[^";,]+')  # the pieces of RFC 7239, section 4
_PORT = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:]*))(?::\d+)?")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Hop(NamedTuple):
    """What one proxy tells of the request that it was sent. Empty: nothing."""

    address: str
    scheme: str
    host: str


class TrustedProxies:
    """Reads forwarded headers, where they come from a proxy that is trusted.

    Parameters
    ----------
    networks : iterable of str
        Addresses and networks of proxies (``"127.0.0.1"``, ``"10.0.0.0/8"``); ``"unix:"`` stands for all peers on a
        Unix socket.

    Raises
    ------
    ValueError
        If one is neither.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        names = [networks] if isinstance(networks, str) else list(networks)
        self._unix = UNIX in names
        self._networks = [ipaddress.ip_network(name, strict=False) for name in names if name != UNIX]

    def describe(self, handler: tornado.web.RequestHandler) -> Request:
        """Return what is known of a request."""
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
        """Go from the nearest proxy to the first address that is no trusted proxy: what is left of it may be forged."""
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
    """Return the query, whatever bytes it holds: `get_query_argument` would answer with a page of its own."""
    arguments = handler.request.query_arguments.items()
    return {key: values[-1].decode(errors="replace") for key, values in arguments if values}


def _hops(headers: Mapping[str, str]) -> list[Hop]:
    """Return what each proxy has added, the nearest last: of the ``X-Forwarded-`` headers, else of ``Forwarded``."""
    addresses, schemes, hosts = (_list(headers, "X-Forwarded-" + name) for name in ("For", "Proto", "Host"))
    count = max(len(addresses), len(schemes), len(hosts))
    if not count:
        return _forwarded(headers.get("Forwarded", ""))
    # A proxy that appends its address may set the scheme and the host once, for all: these lists are filled up.
    return [Hop(*row) for row in zip(*(_filled(values, count) for values in (addresses, schemes, hosts)), strict=True)]


def _list(headers: Mapping[str, str], name: str) -> list[str]:
    value = headers.get(name, "")
    return [part.strip() for part in value.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]] if value else []


def _filled(values: list[str], count: int) -> list[str]:
    return [(values or [""])[0]] * (count - len(values)) + values


def _forwarded(text: str) -> list[Hop]:
    """Parse ``for=203.0.113.7;proto=https, for="[2001:db8::1]:4711"``; of a longer text the sender remains unknown."""
    if len(text) > _LONGEST:
        return [Hop("unknown", "", "")]
    elements: deque[list[list[str]]] = deque([[[]]], _MOST_HOPS)  # of parts, between semicolons, of pieces
    for piece in _FORWARDED.findall(text):
        if piece == ",":
            elements.append([[]])
        elif piece == ";":
            elements[-1].append([])
        else:
            elements[-1][-1].append(piece)
    return [_hop(map("".join, parts)) for parts in elements if parts != [[]]]


def _hop(parts: Iterable[str]) -> Hop:
    pairs = {}
    for part in parts:
        name, _, value = part.strip().partition("=")
        quoted = value.startswith('"')
        pairs[name.lower()] = re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"')) if quoted else value
    return Hop(pairs.get("for", ""), pairs.get("proto", ""), pairs.get("host", ""))


def _address(text: str) -> Address | None:
    """Return an address that may have a port."""
    bare = _PORT.fullmatch(text)
    try:
        ip = ipaddress.ip_address((bare and (bare["six"] or bare["four"])) or text)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip
