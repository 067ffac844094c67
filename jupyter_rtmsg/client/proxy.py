"""The forward proxy that the environment names, as `urllib.request.getproxies` finds it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from .address import Address
from .servers import is_known

_PORTS = {"http": 80, "https": 443}
_LOOPBACK = re.compile(r"localhost|.+\.localhost|127(\.\d+){3}|::1", re.IGNORECASE)


class ProxyFailed(OSError):
    """A proxy did not let a connection through. The message names the proxy, without its password.

    Parameters
    ----------
    message : str
    passing : bool
        Whether trying again may help.
    """

    def __init__(self, message: str, *, passing: bool = True) -> None:
        super().__init__(message)
        self.passing = passing


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
        """Take the URL of a proxy apart; one without a scheme, ``proxy:3128``, is ``http``."""
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
        """Raise `ProxyFailed` if it is a proxy of a kind that is not supported, such as SOCKS."""
        if self.scheme not in _PORTS or not self.host:
            raise ProxyFailed(
                f"the proxy {self.url} of the environment is not supported: only http:// and https:// proxies are. "
                "Name one of these, or add the server to no_proxy",
                passing=False,
            )


def proxy_for(address: Address) -> Proxy | None:
    """Return the proxy to use for an address, if the environment names one.

    None is used for this machine, for Unix sockets, for the server that `RTMSG_URL` or JupyterHub names or that runs
    under this user, and for what ``no_proxy`` lists.
    """
    if address.unix or _LOOPBACK.fullmatch(address.host):
        return None
    from urllib.request import getproxies, proxy_bypass  # it takes 9 ms, and a kernel's own server never needs it

    proxies = getproxies()
    url = proxies.get("https" if address.secure else "http") or proxies.get("all")
    if not url or proxy_bypass(address.authority) or is_known(address):
        return None
    return Proxy.parse(url)
