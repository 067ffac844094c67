"""Forward proxies: the one that the environment names (as `urllib.request.getproxies`), and tunnels through it."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from .address import Address, in_ascii
from .http import HttpConnection, HttpFailed
from .servers import is_known

_PORTS = {"http": 80, "https": 443}
_LOOPBACK = re.compile(r"localhost|.+\.localhost|127(\.\d+){3}|::1", re.IGNORECASE)


class ProxyFailed(OSError):
    """A proxy did not open a tunnel. The message names the proxy, without its password.

    Parameters
    ----------
    message : str
    transient : bool
        Whether another attempt may succeed.
    """

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy.

    Attributes
    ----------
    url : str
        For messages: without user and password.
    host : str
    port : int
    scheme : str
        ``http``, ``https`` (TLS to the proxy), or one that is not supported.
    authorization : str
        The value of ``Proxy-Authorization``, or an empty string.
    """

    url: str
    host: str
    port: int
    scheme: str
    authorization: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Parse the URL of a proxy. One without a scheme, as ``proxy:3128``, is ``http``."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        scheme = parts.scheme.lower()
        port = parts.port or _PORTS.get(scheme, 1080)
        host = parts.hostname or ""
        authorization = ""
        if parts.username is not None:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(secret.encode()).decode()
        return cls(f"{scheme}://{parts.netloc.rpartition('@')[2]}", host, port, scheme, authorization)

    def check(self) -> None:
        """Raise `ProxyFailed` if the kind of proxy is not supported, such as SOCKS."""
        if self.scheme not in _PORTS or not self.host:
            raise ProxyFailed(
                f"the proxy {self.url} of the environment is not supported: only http:// and https:// proxies are. "
                "Name one of these, or add the server to no_proxy",
                transient=False,
            )


def proxy_for(address: Address) -> Proxy | None:
    """Return the proxy that the environment names for an address, or None.

    No proxy is used for this machine, for Unix sockets, for the server that `RTMSG_URL` or JupyterHub names or that
    runs under this user, and for the hosts in ``no_proxy``.
    """
    if address.unix or _LOOPBACK.fullmatch(address.host):
        return None
    from urllib.request import getproxies, proxy_bypass  # takes 9 ms to import, and most kernels do not need it

    proxies = getproxies()
    url = proxies.get("https" if address.secure else "http") or proxies.get("all")
    if not url or proxy_bypass(address.authority) or is_known(address):
        return None
    return Proxy.parse(url)


async def open_tunnel(proxy: Proxy, address: Address) -> HttpConnection:
    """Connect to a proxy and have it open a tunnel to an address (RFC 9110, section 9.3.6).

    A tunnel is used even without TLS: a proxy that is asked for an ``http`` URL may change, delay and repeat requests.

    Raises
    ------
    ProxyFailed
    """
    proxy.check()
    tunnel = HttpConnection()
    context = ssl.create_default_context() if proxy.scheme == "https" else None
    try:
        await asyncio.get_running_loop().create_connection(lambda: tunnel, proxy.host, proxy.port, ssl=context)
    except OSError as error:
        raise ProxyFailed(f"the proxy {proxy.url} was not reached: {error}") from error
    host = f"[{address.host}]" if ":" in address.host else in_ascii(address.host)
    headers = {"Host": f"{host}:{address.port}"}
    if proxy.authorization:
        headers["Proxy-Authorization"] = proxy.authorization
    try:
        response = await tunnel.request("CONNECT", headers["Host"], headers)
    except HttpFailed as error:
        raise ProxyFailed(f"the proxy {proxy.url} failed: {error}") from error
    if not 200 <= response.status < 300:
        tunnel.abort()
        status = f"HTTP {response.status} {response.reason}".strip()
        raise ProxyFailed(
            f"the proxy {proxy.url} refused to connect to {headers['Host']} ({status})",
            transient=response.status >= 500,
        )
    return tunnel
