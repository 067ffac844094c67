"""The ways to a client that there is: one server may have several addresses and tokens."""

from __future__ import annotations

from typing import Any, Protocol

from jupyter_rtmsg.client.address import Address
from jupyter_rtmsg.client.search import Found
from jupyter_rtmsg.client.servers import is_same_server

from .hello import Hello


class Connected(Protocol):
    """A client."""

    socket: Any

    @property
    def url(self) -> str:
        """Where it is connected to."""

    @property
    def user(self) -> str | None:
        """Who the hub takes it for."""

    @property
    def state(self) -> str:
        """How its connection is doing."""

    @property
    def hello(self) -> Hello | None:
        """What the hub said of itself."""

    def is_beside(self, other: Any) -> bool:
        """Ask its hub whether another client is connected there, too."""


class Ways:
    """The places that led to a connected client.

    Parameters
    ----------
    client : Connected
    name : str or None
        What it was called when it connected.
    found : Found
        The place where it was looked for first.
    """

    def __init__(self, client: Connected, name: str | None, found: Found) -> None:
        self._client = client
        self._name = name
        self._found = [found]

    def add(self, found: Found) -> None:
        """Remember another place that led to it."""
        self._found.append(found)

    def lead_to(self, found: Found) -> bool:
        """Return whether the client is for that server and that token."""
        return not self._refused and any(_leads_to(way, found) for way in (self._now, *self._found))

    def are_one_with(self, client: Connected) -> bool:
        """Return whether another client came to the same hub, with the same token or a found one of the same user.

        Any server may claim the id of any hub. So the hub of the other client is asked whether it has this one, too.
        """
        if self._refused:
            return False
        theirs: Found = client.socket.io.found
        same_token = self._now.token == theirs.token
        if same_token and is_same_server(self._now.url, theirs.url):
            return True
        same_user = not theirs.given and self._client.user == client.user
        same_hub = _is_same_hub(self._client.hello, client.hello)
        return same_hub and (same_token or same_user) and client.is_beside(self._client)

    def check(self, name: str | None) -> None:
        """Refuse another name."""
        if name not in (None, self._name):
            now = f"as {self._name!r}" if self._name else "without a name"
            raise ValueError(
                f"this process is connected to {self._client.url} {now}, not as {name!r}: "
                f"call close() of that client first, or connect() without another name"
            )

    @property
    def _now(self) -> Found:
        found: Found = self._client.socket.io.found
        return found

    @property
    def _refused(self) -> bool:
        return self._client.state != "connected" and bool(self._client.socket.io.refused)


def _leads_to(way: Found, found: Found) -> bool:
    """Return whether a client that went one way is for another place; a token that was given need not be given again.

    At ``localhost``, ``127.0.0.1`` and ``::1`` servers of several users may listen. So a token that was given for one
    of these stands for the token that was found for another one only if the hub is the same, which is known later.
    """
    if not is_same_server(way.url, found.url):
        return False
    is_same_host = Address.parse(way.url).host == Address.parse(found.url).host
    return way.token == found.token or (way.given and not found.given and is_same_host)


def _is_same_hub(one: Hello | None, other: Hello | None) -> bool:
    return one is not None and other is not None and one.hub is not None and one.hub == other.hub
