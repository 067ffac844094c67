"""Connecting: over TCP or a Unix socket, with or without TLS, directly or through a forward proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys

from .address import in_ascii
from .endpoint import Endpoint
from .http import HttpConnection, HttpFailed
from .owner import Stranger, check_owner, check_socket
from .proxy import Proxy, ProxyFailed
from .tls import check_certificate


async def dial(endpoint: Endpoint) -> HttpConnection:
    """Connect to a server.

    Raises
    ------
    OSError
        If there is no connection, or TLS fails.
    ProxyFailed
        If the proxy does not let it through.
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
        return await _one_of(endpoint, tls)
    return await _direct(endpoint, address.host, tls)


async def _unix(endpoint: Endpoint) -> HttpConnection:
    connection = HttpConnection()
    if endpoint.own:
        check_socket(endpoint.address.host)
    await asyncio.get_running_loop().create_unix_connection(lambda: connection, endpoint.address.host)
    return connection


async def _one_of(endpoint: Endpoint, tls: ssl.SSLContext | None) -> HttpConnection:
    """Connect to one of the addresses of a name, the server's own: at another one somebody else may answer."""
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
    """Return a connection through a tunnel through a proxy (RFC 9110, section 9.3.6), also where there is no TLS.

    A proxy that is asked for an ``http`` URL itself may change, hold up and repeat requests.
    """
    if tls and proxy.scheme == "https" and sys.version_info < (3, 11):
        raise ProxyFailed(f"the proxy {proxy.url} needs TLS within TLS, which needs Python 3.11", passing=False)
    connection = HttpConnection()
    tunnel = await _tunnel(proxy, endpoint)
    try:
        if tls:
            await _encrypt(tunnel, connection, tls, endpoint.address.host)
        else:
            tunnel.hand_over(connection)
    except BaseException:
        tunnel.abort()
        raise
    return connection


async def _tunnel(proxy: Proxy, endpoint: Endpoint) -> HttpConnection:
    proxy.check()
    loop = asyncio.get_running_loop()
    tunnel = HttpConnection()
    context = ssl.create_default_context() if proxy.scheme == "https" else None
    try:
        await loop.create_connection(lambda: tunnel, proxy.host, proxy.port, ssl=context)
    except OSError as error:
        raise ProxyFailed(f"the proxy {proxy.url} was not reached: {error}") from error
    address = endpoint.address
    host = f"[{address.host}]" if ":" in address.host else in_ascii(address.host)
    headers = {"Host": f"{host}:{address.port}"}
    if proxy.authorization:
        headers["Proxy-Authorization"] = proxy.authorization
    try:
        response = await tunnel.request("CONNECT", headers["Host"], headers)
    except HttpFailed as error:
        raise ProxyFailed(f"the proxy {proxy.url} failed: {error}") from error
    if not 200 <= response.status < 300:
        tunnel.abort()
        said = f"HTTP {response.status} {response.reason}".strip()
        raise ProxyFailed(
            f"the proxy {proxy.url} refused to connect to {headers['Host']} ({said})", passing=response.status >= 500
        )
    return tunnel


async def _encrypt(tunnel: HttpConnection, connection: HttpConnection, tls: ssl.SSLContext, host: str) -> None:
    transport = tunnel.detach()
    try:
        encrypted = await asyncio.get_running_loop().start_tls(transport, connection, tls, server_hostname=host)
        assert encrypted
        check_certificate(tls, encrypted)
    except BaseException:
        transport.abort()
        raise
    connection.connection_made(encrypted)
