"""Discovery: finding the Jupyter server whose hub to use, without importing Jupyter's server."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from jupyter_rtmsg.client.address import Address
from jupyter_rtmsg.client.route import Found
from jupyter_rtmsg.client.servers import (
    RunningServer,
    is_page,
    kernel_variables,
    reachable,
    running_servers,
    same_host,
    scoped_token,
)
from jupyter_rtmsg.errors import ServerNotFound

_VARIABLES = "RTMSG_URL"


class Discovery:
    """The search for a server. The first of these that exists is used:

    1. the arguments (the token of this user's own server is looked up);
    2. ``RTMSG_URL`` and ``RTMSG_TOKEN``, which the extension sets for its kernels; behind a gateway their names are
       ``KERNEL_RTMSG_URL`` and ``KERNEL_RTMSG_TOKEN``;
    3. ``JUPYTERHUB_SERVICE_URL`` and ``JUPYTERHUB_API_TOKEN``;
    4. the running server that started this process (``JPY_PARENT_PID``);
    5. the only running server.

    Parameters
    ----------
    url, token : str, optional
    environment : mapping
    runtime_dir, data_dir : Path, optional
        Jupyter's directories; by default those of this user.

    Attributes
    ----------
    places : list of Found
        The candidates, most likely first. There are several if only the server knows where its base URL ends.

    Raises
    ------
    ServerNotFound
        With everything that was tried.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        environment: Mapping[str, str] = os.environ,
        runtime_dir: Path | None = None,
        data_dir: Path | None = None,
    ) -> None:
        self._environment = environment
        self._runtime_dir = runtime_dir
        self._data_dir = data_dir
        self._tried: list[str] = []
        servers = running_servers(runtime_dir)
        if url is not None:
            self.places = self._explicit(Address.parse(url), token, servers)
        else:
            found = self._variables() or self._jupyterhub() or self._parent(servers) or self._only(servers)
            if not found:
                raise self._error(servers)
            self.places = [found._replace(token=token or found.token, given=bool(token), own=found.own and not token)]

    def renewed(self, found: Found) -> Found | None:
        """Return the place with the present token of its server, or None if that is the same."""
        if found.given:
            return None
        address = Address.parse(found.url)
        for server in running_servers(self._runtime_dir):
            if same_host(server.address, address) and server.address.path == address.path:
                own, scoped = server.token, scoped_token(self._data_dir)
                tokens = (scoped, own) if found.how == _VARIABLES else (own or scoped,)
                token = next((token for token in tokens if token not in (None, found.token)), None)
                return found._replace(token=token, own=True) if token else None
        return None

    def instead_of(self, found: Found) -> Found | None:
        """Return the only running server, if ``RTMSG_URL`` is that of a server that has ended."""
        address = Address.parse(found.url)
        if found.how != _VARIABLES or found.given or not _is_local(address):
            return None
        servers = [one for one in running_servers(self._runtime_dir) if one.address != address]
        return self._of_server(servers[0], "the only running server") if len(servers) == 1 else None

    def hint(self, found: Found) -> str:
        """Return a hint that a variable named the place, and which servers run; empty if no variable did."""
        if found.how != _VARIABLES:
            return ""
        servers = running_servers(self._runtime_dir)
        running = f"running are:{_listed(servers)}" if servers else "no other server of this user is running"
        return f". RTMSG_URL names this server; {running}"

    # --- with a URL

    def _explicit(self, address: Address, token: str | None, servers: Sequence[RunningServer]) -> list[Found]:
        token = token or address.token
        known = self._known(address, servers)
        if known is None:
            return [Found(base.url, token, "as given", given=bool(token)) for base in address.bases()]
        as_given = address.at(Address.parse(known.url).path)
        if token:
            return [known._replace(url=as_given.url, token=token, given=True, own=False)]
        # Without TLS the token goes to the address that the server is bound to: another user may listen at another
        # address of that name. With TLS the certificate proves the server, perhaps for the given host name only.
        return [known._replace(url=as_given.url) if address.secure else known]

    def _known(self, address: Address, servers: Sequence[RunningServer]) -> Found | None:
        """Return the place of this user's own server with that address, if its base URL and token are known."""
        named = self._variables()
        mine = [server for server in servers if server.is_at(address)]
        if named and is_page(address, named.url) and (named.token or not mine):
            return named._replace(how="as given")
        if not mine:
            return None
        server = max(mine, key=lambda server: (server.address.host == address.host, len(server.address.path)))
        return self._of_server(server, "as given")

    # --- without a URL

    def _variables(self) -> Found | None:
        url, token, cafile = kernel_variables(self._environment)
        if url:
            address = reachable(url)
            return Found(address.url, token, _VARIABLES, own=_is_local(address), cafile=cafile or None)
        self._tried.append(
            "RTMSG_URL is not set: this is no kernel of a server with the extension, or it was started before it"
        )
        return None

    def _jupyterhub(self) -> Found | None:
        url, token = self._environment.get("JUPYTERHUB_SERVICE_URL"), self._environment.get("JUPYTERHUB_API_TOKEN")
        if url and token:
            return Found(reachable(url).url, token, "JUPYTERHUB_SERVICE_URL")
        self._tried.append(
            "JUPYTERHUB_SERVICE_URL and JUPYTERHUB_API_TOKEN are not set: this is no server of a JupyterHub"
        )
        return None

    def _parent(self, servers: Sequence[RunningServer]) -> Found | None:
        pid = self._environment.get("JPY_PARENT_PID")
        for server in servers:
            if pid and str(server.pid) == pid:
                return self._of_server(server, f"the server that started this process (pid {pid})")
        self._tried.append(f"JPY_PARENT_PID={pid} is no running Jupyter server" if pid else "JPY_PARENT_PID is not set")
        return None

    def _only(self, servers: Sequence[RunningServer]) -> Found | None:
        if len(servers) == 1:
            return self._of_server(servers[0], "the only running server")
        self._tried.append(
            f"{len(servers)} Jupyter servers are running:{_listed(servers)}"
            if servers
            else "no Jupyter server is running"
        )
        return None

    def _error(self, servers: Sequence[RunningServer]) -> ServerNotFound:
        tried = "".join(f"\n  - {line}" for line in self._tried)
        if servers:
            return ServerNotFound(
                f"it is not clear which Jupyter server is meant:{tried}\nPass its address: connect(url)"
            )
        return ServerNotFound(
            f"no Jupyter server was found:{tried}\n"
            "Start one with `jupyter lab`, or pass its address: connect(url, token=...)"
        )

    def _of_server(self, server: RunningServer, how: str) -> Found:
        token = server.token or scoped_token(self._data_dir)
        return Found(server.address.url, token, how, own=True)


def find_server(url: str | None = None, token: str | None = None) -> Found:
    """Return the first place of a `Discovery`."""
    return Discovery(url, token).places[0]


def _listed(servers: Sequence[RunningServer]) -> str:
    return "".join(f"\n      {server.address.url}  in {server.root or '?'}" for server in servers)


def _is_local(address: Address) -> bool:
    return address.unix or address.host in ("localhost", "::1") or address.host.startswith("127.")
