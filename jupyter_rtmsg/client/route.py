"""Where a connection goes: to one of several places, until somebody has answered at one of them."""

from __future__ import annotations

from jupyter_rtmsg.errors import AccessDenied, ServerNotFound

from .http import HttpFailed, HttpRefused
from .owner import Stranger
from .search import Found, Search

_NOBODY = (ConnectionRefusedError, FileNotFoundError, Stranger)  # at a port, behind the path of a Unix socket


class Route:
    """The places of a search, and which of them it is.

    It stays at the first place where a session opens. Until then an answer that comes from no Socket.IO server leads to
    the next place, and nobody at the first place to the one that is there instead. Always, a refused token that was
    looked up is looked up again, once in an attempt.

    Parameters
    ----------
    search : Search

    Attributes
    ----------
    found : Found
        Where it goes now.
    notice : str or None
        What whoever connects should know about the place.
    """

    def __init__(self, search: Search) -> None:
        self.found = search.places[0]
        self.notice: str | None = None
        self._search = search
        self._next = search.places[1:]
        self._errors: list[Exception] = []
        self._settled = False
        self._renewal: Found | None = None  # of this attempt, which has one

    def settle(self) -> None:
        """Learn that a session has opened."""
        self._settled, self._renewal = True, None
        self._next, self._errors = (), []

    def advance(self, error: Exception) -> bool:
        """Go on to another place, or token, after an attempt has failed; tell whether there is one.

        Parameters
        ----------
        error : Exception
            What the answer means; its cause is the answer.
        """
        found = self._renewed(error) or (None if self._settled else self._another(error))
        if found:
            self.found = found
        return found is not None

    def reason(self, error: Exception) -> Exception:
        """Return the error that says most, of those of all places: that of a server which refuses the token.

        The next attempt begins at the first place.
        """
        self._renewal = None
        said = [*self._errors, error]
        if self._errors:
            self.found, self._next, self._errors = self._search.places[0], self._search.places[1:], []
        return max(reversed(said), key=_weight)

    @property
    def hint(self) -> str:
        """What helps whoever reads that nobody answers."""
        return self._search.hint(self.found)

    def _renewed(self, error: Exception) -> Found | None:
        if self._renewal or not isinstance(error, AccessDenied) or error.forbidden:
            return None
        self._renewal = self._search.renewed(self.found)
        return self._renewal

    def _another(self, error: Exception) -> Found | None:
        if self._next and _is_no_hub(error):
            self._errors.append(error)
            following, self._next = self._next[0], self._next[1:]
            return following
        instead = self._search.instead_of(self.found) if _is_nobody(error) else None
        if instead:
            self.notice = (
                f"RTMSG_URL is {self.found.url}, where no hub answers (any more): connected to {instead.url}, the only "
                "Jupyter server that runs. Start a new shell or kernel there, or unset RTMSG_URL"
            )
        return instead


def _is_no_hub(error: Exception) -> bool:
    """Return whether an answer came from something else, perhaps: a page, or a server that does not know the path."""
    if isinstance(error, (AccessDenied, ServerNotFound, HttpFailed)):
        return True
    return isinstance(error, HttpRefused) and error.status < 500


def _is_nobody(error: Exception) -> bool:
    return isinstance(error, (ServerNotFound, *_NOBODY)) or isinstance(error.__cause__, Stranger)


def _weight(error: Exception) -> int:
    status = error.__cause__.status if isinstance(error.__cause__, HttpRefused) else 0
    return 2 * (status in (401, 403)) + isinstance(error, AccessDenied)
