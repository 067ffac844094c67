"""Where a hub is: the base URL of a Jupyter server, taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, unquote, urlsplit

from jupyter_rtmsg.redaction import redacted

_DEFAULT_PORTS = {"http": 80, "https": 443, "http+unix": 0}
_PAGES = frozenset(  # what an address copied from a browser goes on with, behind the base URL
    ("lab", "doc", "tree", "notebooks", "edit", "view", "files", "consoles", "terminals", "nbclassic", "voila", "login")
)
_MOST_BASES = 6


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL.

    Attributes
    ----------
    url : str
        Normalised; ends with a slash and holds no query, so that it can be shown.
    host : str
        What to connect to; for a Unix socket its path.
    port : int
        0 for a Unix socket.
    secure, unix : bool
        Over TLS; over a Unix socket.
    path : str
        The URL's path; starts and ends with a slash.
    token : str or None
        A ``token`` that the URL's query held, as in an address copied from a browser. It is sent in a header only.
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
        """Take a URL such as ``http://127.0.0.1:8888/user/x/`` or ``http+unix://%2Frun%2Fjupyter.sock/`` apart.

        Raises
        ------
        ValueError
            If it is none of the kinds above.
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
        """Return what the base URL may be, the longest first.

        An address copied from a browser goes on with the page that is open, but a base URL may have segments with the
        names of pages too, such as ``/user/lab/``: only the server knows.
        """
        segments = self.path.split("/")[1:-1]
        cuts = [at for at, segment in enumerate(segments) if segment in _PAGES][: _MOST_BASES - 1]
        return [self, *(self.at("/".join(["", *segments[:at], ""])) for at in reversed(cuts))]

    def is_page_of(self, base: str) -> bool:
        """Return whether the path is a base path, or that of a page below it."""
        rest = self.path.removeprefix(base)
        return self.path.startswith(base) and (not rest or rest.partition("/")[0] in _PAGES)

    def at(self, path: str) -> Address:
        """Return the same server's address with another base path."""
        return replace(self, url=self.url.removesuffix(self.path) + path, path=path)

    @property
    def authority(self) -> str:
        """The value of the ``Host`` header."""
        return "localhost" if self.unix else in_ascii(urlsplit(self.url).netloc)


def in_ascii(host: str) -> str:
    """Return a host, with or without a port, as it is sent: a name of another script as IDNA (RFC 5891)."""
    return host if host.isascii() else host.encode("idna").decode()
