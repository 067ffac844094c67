"""`connect`: one client per hub and process, however often and by whichever address it is called."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Sequence

from jupyter_rtmsg.client.address import Address
from jupyter_rtmsg.client.route import Found
from jupyter_rtmsg.client.servers import is_same_server
from jupyter_rtmsg.client.transport import TRANSPORTS
from jupyter_rtmsg.errors import ServerNotFound

from .discovery import find_server
from .hello import Hello
from .misuse import check_url
from .sync import Client


class KnownClient:
    """A client that `connect` made, and the servers found for the calls that it was returned for.

    One server may have several addresses and tokens, so several places may lead to one client.

    Parameters
    ----------
    client : Client
    name : str or None
        The ``name`` that it connected with.
    found : Found
        The server that was found for the first call.
    """

    def __init__(self, client: Client, name: str | None, found: Found) -> None:
        self.client = client
        self._name = name
        self._places = [found]

    def add_place(self, found: Found) -> None:
        """Remember another place that leads to this client."""
        self._places.append(found)

    def serves(self, found: Found) -> bool:
        """Return whether the client is connected to this server with this token."""
        return not self._is_refused and any(_leads_to(place, found) for place in (self._current, *self._places))

    def is_same_hub(self, other: Client) -> bool:
        """Return whether another client reached the same hub, with the same token or a found one of the same user.

        A server may claim the id of any hub. So the other client's hub is asked whether this client is connected, too.
        """
        if self._is_refused:
            return False
        theirs = other.socket.io.found
        same_token = self._current.token == theirs.token
        if same_token and is_same_server(self._current.url, theirs.url):
            return True
        same_user = not theirs.given and self.client.user == other.user
        same_id = _have_same_id(self.client.hello, other.hello)
        return same_id and (same_token or same_user) and other.is_beside(self.client)

    def check_name(self, name: str | None) -> None:
        """Raise ValueError if another name is asked for."""
        if name not in (None, self._name):
            now = f"as {self._name!r}" if self._name else "without a name"
            raise ValueError(
                f"this process is connected to {self.client.url} {now}, not as {name!r}: "
                f"call close() of that client first, or connect() without another name"
            )

    @property
    def _current(self) -> Found:
        return self.client.socket.io.found

    @property
    def _is_refused(self) -> bool:
        return self.client.state != "connected" and self.client.socket.io.refused


def _leads_to(place: Found, found: Found) -> bool:
    """Return whether a client that connected to one place serves another; a given token need not be given again.

    At ``localhost``, ``127.0.0.1`` and ``::1`` servers of several users may listen. A token that was given for one of
    these is therefore the token found for another only if the hub is the same, which is known after connecting.
    """
    if not is_same_server(place.url, found.url):
        return False
    is_same_host = Address.parse(place.url).host == Address.parse(found.url).host
    return place.token == found.token or (place.given and not found.given and is_same_host)


def _have_same_id(one: Hello | None, other: Hello | None) -> bool:
    return one is not None and other is not None and one.hub is not None and one.hub == other.hub


_known: list[KnownClient] = []  # the newest last
_lock = threading.Lock()  # of _known, held while connecting: a second thread gets the first one's client


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    name: str | None = None,
    timeout: float = 10.0,
    tls: ssl.SSLContext | None = None,
    transports: Sequence[str] = TRANSPORTS,
    durable: bool = False,
) -> Client:
    """Connect to a hub. If this process is connected to it already, return that client.

    Another token makes another client, and the first one stays connected until it is closed. A call without a token
    returns the latest client of that server, also after its token was renewed. Another name is refused. ``timeout``,
    ``tls`` and ``transports`` are those of the call that connected.

    Without a URL the server is found: the one that this kernel belongs to (``RTMSG_URL``, which the extension sets), a
    JupyterHub's (``JUPYTERHUB_SERVICE_URL``), the running server that started this process, or the only one running.

    Parameters
    ----------
    url : str, optional
        The base URL of a Jupyter server, such as ``http://127.0.0.1:8888/``.
    token : str, optional
        Sent in a header, never in a URL. The token of your own server on this machine is found.
    name : str, optional
        The name that other members see; at most 64 characters.
    timeout : float
        Seconds for the first connection, and for each command.
    tls : ssl.SSLContext, optional
        For ``https`` with a certificate that the system does not trust.
    transports : sequence of str
        Tried in this order: ``"websocket"`` and ``"polling"``, or one of them. See docs/client.md, Transports.
    durable : bool
        Refuse a hub that cannot keep events on disk, for example because another server has locked its log:
        `NotDurableError` is raised, and after a reconnect the client stays offline until the hub can.

    Returns
    -------
    Client
        Connected.

    Raises
    ------
    ServerNotFound
        If there is no server; the message lists what was tried.
    AccessDenied
        If the token is refused.
    ServerUnreachable
        If the server does not answer within ``timeout`` seconds.
    NotDurableError
        If ``durable`` is set and events would be kept in memory only.
    ValueError
        If this process is connected to that server under another name.
    """
    check_url(url)
    found = find_server(url, token)
    with _lock:
        _known[:] = [known for known in _known if known.client.state != "closed"]
        for known in reversed(_known):
            if known.serves(found):
                known.check_name(name)
                client = known.client
                break
        else:
            client = Client(url, token, name=name, timeout=timeout, tls=tls, transports=transports, durable=durable)
            client = _remember(client.connect(), name, found)
    if durable:
        client.require_durable()
    return client


def found_or_latest() -> Client:
    """Return the client of the server that is found, or else the latest one of this process.

    Raises
    ------
    ServerNotFound
        If no server is found, and this process has no client.
    """
    try:
        return connect()
    except ServerNotFound:
        with _lock:
            clients = [known.client for known in _known if known.client.state != "closed"]
        if not clients:
            raise
        return clients[-1]


def _remember(client: Client, name: str | None, found: Found) -> Client:
    """Return the known client of a new client's hub, and close the new one; or remember and return the new one."""
    for known in reversed(_known):
        if known.is_same_hub(client):
            client.close()
            known.check_name(name)
            known.add_place(found)
            return known.client
    _known.append(KnownClient(client, name, found))
    return client


def _forget_all() -> None:
    """Forget the parent's clients in a forked child, and its lock, which another thread may have held."""
    global _lock
    _lock = threading.Lock()
    _known.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
