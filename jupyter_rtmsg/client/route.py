"""The places where a server may be, and the order in which a connection tries them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from jupyter_rtmsg.errors import AccessDenied, ServerNotFound

from .address import Address
from .http import HttpFailed, HttpRefused
from .owner import Stranger

_NO_SERVER = (ConnectionRefusedError, FileNotFoundError, Stranger)  # at the port, or at the path of a Unix socket


class Found(NamedTuple):
    """A place to connect to, and the token to send there.

    Attributes
    ----------
    url : str
    token : str or None
    how : str
        How it was found, for people.
    given : bool
        Whether the caller gave the token. A token that was looked up is looked up again when it is refused.
    own : bool
        Whether the token belongs to a server of this user on this machine; it is sent to no other server.
    cafile : str or None
        A file with the server's certificate, which may be self-signed.
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
    """Finds places to connect to. `Given` is one; `jupyter_rtmsg.rooms.discovery` has another."""

    @property
    def places(self) -> Sequence[Found]:
        """The places to try in this order, at least one."""

    def renewed(self, found: Found) -> Found | None:
        """Return the same place with its present token, or None if that is the same one."""

    def instead_of(self, found: Found) -> Found | None:
        """Return another place, for when no server runs at this one."""

    def hint(self, found: Found) -> str:
        """Return advice for the error that no server answers at a place, or an empty string."""


class Given:
    """The `Search` for a URL and token that the caller has given: it looks nothing up.

    Parameters
    ----------
    url : str
    token : str, optional
    """

    def __init__(self, url: str, token: str | None) -> None:
        address = Address.parse(url)
        self.places = [Found(base.url, token or address.token, "as given", given=True) for base in address.bases()]

    def renewed(self, found: Found) -> None:
        """Return None: the caller's token is not replaced."""

    def instead_of(self, found: Found) -> None:
        """Return None."""

    def hint(self, found: Found) -> str:
        """Return an empty string."""
        return ""


class Route:
    """The place that a connection tries now, and those that it may try next.

    Two states. *Trying*: a response that comes from no Socket.IO server leads to the next place of the search, and a
    missing server to the place that the search names instead. *Settled*, once a session has opened: the place is kept.
    In both, a refused token that was looked up is looked up again, once per attempt. `Endpoint` owns the route.

    Parameters
    ----------
    search : Search

    Attributes
    ----------
    found : Found
        The present place.
    notice : str or None
        A warning for the user about the place.
    """

    def __init__(self, search: Search) -> None:
        self.found = search.places[0]
        self.notice: str | None = None
        self._search = search
        self._next = search.places[1:]
        self._errors: list[Exception] = []  # of the places that were tried in this attempt
        self._settled = False
        self._renewal: Found | None = None  # the new token of this attempt

    def settle(self) -> None:
        """Keep the present place: a session has opened there."""
        self._settled, self._renewal = True, None
        self._next, self._errors = (), []

    def advance(self, error: Exception) -> bool:
        """Choose another place, or token, after an attempt has failed.

        Parameters
        ----------
        error : Exception
            The meaning of the failure, see `connect_errors.meaning`; its cause is the failure.

        Returns
        -------
        bool
            False if there is none.
        """
        found = self._renewed(error) or (None if self._settled else self._another(error))
        if found:
            self.found = found
        return found is not None

    def reason(self, error: Exception) -> Exception:
        """Return the most telling error of all places, and start again with the first place.

        An error of a server that refused the token says more than any other.
        """
        self._renewal = None
        errors = [*self._errors, error]
        if self._errors:
            self.found, self._next, self._errors = self._search.places[0], self._search.places[1:], []
        return max(reversed(errors), key=_weight)

    @property
    def hint(self) -> str:
        """Advice for the error that no server answers."""
        return self._search.hint(self.found)

    def _renewed(self, error: Exception) -> Found | None:
        if self._renewal or not isinstance(error, AccessDenied) or error.forbidden:
            return None
        self._renewal = self._search.renewed(self.found)
        return self._renewal

    def _another(self, error: Exception) -> Found | None:
        if self._next and _is_other_server(error):
            self._errors.append(error)
            following, self._next = self._next[0], self._next[1:]
            return following
        instead = self._search.instead_of(self.found) if _is_no_server(error) else None
        if instead:
            self.notice = (
                f"RTMSG_URL is {self.found.url}, where no hub answers (any more): connected to {instead.url}, the only "
                "Jupyter server that runs. Start a new shell or kernel there, or unset RTMSG_URL"
            )
        return instead


def _is_other_server(error: Exception) -> bool:
    """Return whether something other than a Socket.IO server may have answered: a page, or an unknown path."""
    if isinstance(error, (AccessDenied, ServerNotFound, HttpFailed)):
        return True
    return isinstance(error, HttpRefused) and error.status < 500


def _is_no_server(error: Exception) -> bool:
    return isinstance(error, (ServerNotFound, *_NO_SERVER)) or isinstance(error.__cause__, Stranger)


def _weight(error: Exception) -> int:
    status = error.__cause__.status if isinstance(error.__cause__, HttpRefused) else 0
    return 2 * (status in (401, 403)) + isinstance(error, AccessDenied)
