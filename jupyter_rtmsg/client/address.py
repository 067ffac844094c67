"""Addresses: the parsed base URL of a server."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, unquote, urlsplit

from jupyter_rtmsg.redaction import redacted

_DEFAULT_PORTS = {"http": 80, "https": 443, "http+unix": 0}
_PAGES = frozenset(  # the first segment behind the base URL, in an address copied from a browser
    ("lab", "doc", "tree", "notebooks", "edit", "view", "files", "consoles", "terminals", "nbclassic", "voila", "login")
)
_MOST_BASES = 6


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL.

    Attributes
    ----------
    url : str
        Normalised: it ends with a slash and has no query, so it may be shown.
    host : str
        The host to connect to, or the path of the Unix socket.
    port : int
        0 for a Unix socket.
    secure, unix : bool
        Whether TLS, or a Unix socket, is used.
    path : str
        The URL's path; starts and ends with a slash.
    token : str or None
        The ``token`` of the URL's query, as in an address copied from a browser. It is only sent in a header.
    """

    url: str
    host: str
    port: int
    secure: bool
    unix: bool
    path: str
    token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Parse a URL such as ``http://127.0.0.1:8888/user/x/`` or ``http+unix://%2Frun%2Fjupyter.sock/``.

        Raises
        ------
        ValueError
            If its scheme is another one, or the host is missing.
        """
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
            raise ValueError(
                f"{redacted(url.partition('?')[0])!r} is no URL of a Jupyter server, like http://127.0.0.1:8888/"
            )
        unix = parts.scheme == "http+unix"
        host = unquote(parts.netloc) if unix else parts.hostname or ""
        port = 0 if unix else parts.port or _DEFAULT_PORTS[parts.scheme]
        path = "/".join(["", *(segment for segment in parts.path.split("/") if segment), ""])
        token = parse_qs(parts.query).get("token", [None])[0]
        authority = parts.netloc.rpartition("@")[2]
        return cls(f"{parts.scheme}://{authority}{path}", host, port, parts.scheme == "https", unix, path, token)

    def bases(self) -> list[Address]:
        """Return the possible base URLs, the longest first.

        An address copied from a browser continues with the open page. But a base URL may contain the name of a page,
        too, as in ``/user/lab/``; only the server knows which part is the base.
        """
        segments = self.path.split("/")[1:-1]
        cuts = [at for at, segment in enumerate(segments) if segment in _PAGES][: _MOST_BASES - 1]
        return [self, *(self.at("/".join(["", *segments[:at], ""])) for at in reversed(cuts))]

    def is_page_of(self, base: str) -> bool:
        """Return whether the path is this base path, or that of a page below it."""
        rest = self.path.removeprefix(base)
        return self.path.startswith(base) and (not rest or rest.partition("/")[0] in _PAGES)

    def at(self, path: str) -> Address:
        """Return the address of the same server with another base path."""
        return replace(self, url=self.url.removesuffix(self.path) + path, path=path)

    @property
    def authority(self) -> str:
        """The value of the ``Host`` header."""
        return "localhost" if self.unix else in_ascii(urlsplit(self.url).netloc)


def in_ascii(host: str) -> str:
    """Return a host, with or without a port, in ASCII: names in other scripts as IDNA (RFC 5891)."""
    return host if host.isascii() else host.encode("idna").decode()
