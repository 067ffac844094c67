"""Connecting: over TCP or a Unix socket, with or without TLS, directly or through a forward proxy."""

from __future__ import annotations

import asyncio
import ssl
import sys

from .address import in_ascii
from .endpoint import Endpoint
from .http import HttpConnection, HttpFailed
from .proxy import Proxy, ProxyFailed


async def dial(endpoint: Endpoint) -> HttpConnection:
    """Connect to a server.

    Raises
    ------
    OSError
        If there is no connection, or TLS fails.
    ProxyFailed
        If the proxy does not let it through.
    """
    loop, address = asyncio.get_running_loop(), endpoint.address
    connection = HttpConnection()
    if address.unix:
        await loop.create_unix_connection(lambda: connection, address.host)
    elif endpoint.proxy:
        await _through(endpoint.proxy, endpoint, connection)
    else:
        await loop.create_connection(lambda: connection, address.host, address.port, ssl=endpoint.tls)
    return connection


async def _through(proxy: Proxy, endpoint: Endpoint, connection: HttpConnection) -> None:
    """Let a connection use a tunnel through a proxy (RFC 9110, section 9.3.6), also where there is no TLS.

    A proxy that is asked for an ``http`` URL itself may change, hold up and repeat requests.
    """
    if endpoint.tls and proxy.scheme == "https" and sys.version_info < (3, 11):
        raise ProxyFailed(f"the proxy {proxy.url} needs TLS within TLS, which needs Python 3.11", passing=False)
    tunnel = await _tunnel(proxy, endpoint)
    try:
        if endpoint.tls:
            await _encrypt(tunnel, connection, endpoint.tls, endpoint.address.host)
        else:
            tunnel.hand_over(connection)
    except BaseException:
        tunnel.abort()
        raise


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
    except BaseException:
        transport.abort()
        raise
    assert encrypted
    connection.connection_made(encrypted)
