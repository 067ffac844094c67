"""Where a server may be: the places that a connection tries, and one that the caller has given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .address import Address


class Found(NamedTuple):
    """A place to connect to.

    Attributes
    ----------
    url : str
    token : str or None
    how : str
        How it was found out.
    given : bool
        Whether the caller gave the token. Another one is looked up again when it is refused.
    own : bool
        Whether the token is that of a server of this user on this machine, and goes to nobody else.
    cafile : str or None
        A file with the certificate of the server, which signed it itself perhaps.
    """

    url: str
    token: str | None
    how: str
    given: bool = False
    own: bool = False
    cafile: str | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} ({self.how})>"


class Search(Protocol):
    """Where a connection may go."""

    @property
    def places(self) -> Sequence[Found]:
        """The places to try, until somebody answers at one."""

    def renewed(self, found: Found) -> Found | None:
        """Return the same place with the token that there is now, where that is another one."""

    def instead_of(self, found: Found) -> Found | None:
        """Return where to go when nobody answers at the first place."""

    def hint(self, found: Found) -> str:
        """Return what helps whoever reads that nobody answers at a place, or an empty text."""


class Given:
    """A place that the caller has given, with its token: nothing is looked up.

    Parameters
    ----------
    url : str
    token : str, optional
    """

    def __init__(self, url: str, token: str | None) -> None:
        address = Address.parse(url)
        self.places = [Found(base.url, token or address.token, "as given", given=True) for base in address.bases()]

    def renewed(self, found: Found) -> None:
        """Return None: a token that was given is not replaced."""

    def instead_of(self, found: Found) -> None:
        """Return None."""

    def hint(self, found: Found) -> str:
        """Return an empty text."""
        return ""
