"""Connects to a server: over TCP or a Unix socket, with or without TLS, directly or through a forward proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys

from .endpoint import Endpoint
from .http import HttpConnection
from .owner import Stranger, check_owner, check_socket
from .proxy import Proxy, ProxyFailed, open_tunnel
from .tls import check_certificate


async def dial(endpoint: Endpoint) -> HttpConnection:
    """Connect to an endpoint.

    Raises
    ------
    OSError
        If the connection cannot be made, or TLS fails.
    ProxyFailed
        If the proxy opens no tunnel.
    Stranger
        If the server must be one of this user, and is not.
    """
    for context in endpoint.tls[:-1]:
        with contextlib.suppress(ssl.SSLCertVerificationError):
            return await _dial(endpoint, context)
    return await _dial(endpoint, endpoint.tls[-1])


async def _dial(endpoint: Endpoint, tls: ssl.SSLContext | None) -> HttpConnection:
    address = endpoint.address
    if address.unix:
        return await _unix(endpoint)
    if endpoint.proxy:
        return await _through(endpoint.proxy, endpoint, tls)
    if endpoint.own or address.host == "localhost":
        return await _any_of(endpoint, tls)
    return await _direct(endpoint, address.host, tls)


async def _unix(endpoint: Endpoint) -> HttpConnection:
    connection = HttpConnection()
    if endpoint.own:
        check_socket(endpoint.address.host)
    await asyncio.get_running_loop().create_unix_connection(lambda: connection, endpoint.address.host)
    return connection


async def _any_of(endpoint: Endpoint, tls: ssl.SSLContext | None) -> HttpConnection:
    """Connect to the first address of a host name that works; behind another one may be another user's server."""
    loop, address = asyncio.get_running_loop(), endpoint.address
    infos = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    errors: list[OSError] = []
    for host in dict.fromkeys(str(info[4][0]) for info in infos):
        try:
            return await _direct(endpoint, host, tls)
        except ssl.SSLError:
            raise
        except OSError as error:
            errors.append(error)
    raise max(errors, key=lambda error: isinstance(error, Stranger))


async def _direct(endpoint: Endpoint, host: str, tls: ssl.SSLContext | None) -> HttpConnection:
    loop, address = asyncio.get_running_loop(), endpoint.address
    connection = HttpConnection()
    name = address.host if tls else None
    transport, _ = await loop.create_connection(lambda: connection, host, address.port, ssl=tls, server_hostname=name)
    try:
        check_certificate(tls, transport)
        if endpoint.own:
            check_owner(transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
    except OSError:
        connection.abort()
        raise
    return connection


async def _through(proxy: Proxy, endpoint: Endpoint, tls: ssl.SSLContext | None) -> HttpConnection:
    if tls and proxy.scheme == "https" and sys.version_info < (3, 11):
        raise ProxyFailed(f"the proxy {proxy.url} needs TLS within TLS, which needs Python 3.11", transient=False)
    connection = HttpConnection()
    tunnel = await open_tunnel(proxy, endpoint.address)
    try:
        if tls:
            await _start_tls(tunnel, connection, tls, endpoint.address.host)
        else:
            tunnel.hand_over(connection)
    except BaseException:
        tunnel.abort()
        raise
    return connection


async def _start_tls(tunnel: HttpConnection, connection: HttpConnection, tls: ssl.SSLContext, host: str) -> None:
    transport = tunnel.detach()
    try:
        encrypted = await asyncio.get_running_loop().start_tls(transport, connection, tls, server_hostname=host)
        assert encrypted
        check_certificate(tls, encrypted)
    except BaseException:
        transport.abort()
        raise
    connection.connection_made(encrypted)
