"""What it means when a server does not let a client in, told in one line each."""

from __future__ import annotations

import re
import ssl
from typing import Any
from urllib.parse import urljoin, urlsplit

from jupyter_rtmsg.errors import AccessDenied, ConnectionRefused, Disconnected, ServerNotFound, ServerUnreachable

from .address import Address
from .http import HttpRefused
from .owner import Stranger
from .proxy import ProxyFailed

_HELP = (
    "Kernels need no token where the extension is installed, nor do scripts beside a server of their own user. "
    "Elsewhere pass token=..., which `jupyter server list` shows; for a server with a password it is in the file "
    "rtmsg/token of `jupyter --data-dir`."
)
_TRUST = (
    "If it is the right server, name the file with its certificate, and a host that the certificate names: "
    'connect(url, tls=ssl.create_default_context(cafile="server.pem")). Kernels and terminals of a server with the '
    "extension know its certificate."
)
_NOT_THE_TOKEN = re.compile("(Host|Origin) ")  # how our server's other refusals begin
_LOGIN = re.compile(r"/(login|oauth2/authorize|oauth_login|oauth_callback)\b")  # of Jupyter's server, of JupyterHub


def reason_of(error: BaseException | None) -> str:
    """Return what an error says, in one line."""
    return "no answer" if error is None else str(error) or type(error).__name__


def meaning(error: Exception, address: Address) -> Exception:
    """Return what an error means in which no session was opened; its cause is the error, or it is the error itself."""
    if isinstance(error, HttpRefused):
        meant = refusal(error, address)
    elif isinstance(error, ProxyFailed):
        meant = proxy_refusal(error, address)
    elif isinstance(error, Stranger):
        meant = ServerUnreachable(f"{address.url} {error}.")
    elif isinstance(error, ssl.SSLCertVerificationError):
        meant = ServerUnreachable(f"{address.url} has a certificate that is not trusted: {_verdict(error)}. {_TRUST}")
    else:
        meant = error
    if meant is not error:
        meant.__cause__ = error
    return meant


def _verdict(error: ssl.SSLCertVerificationError) -> str:
    return str(getattr(error, "verify_message", None) or error).rstrip(".")


def refusal(error: HttpRefused, address: Address) -> Exception:
    """Say what an answer means that opens no session."""
    if 300 <= error.status < 400:
        return _redirect(error, address)
    if error.status == 403 and _NOT_THE_TOKEN.match(error.body):
        return _forbidden(AccessDenied(f"{address.url} refused the request ({error})."))
    if error.status in (401, 403):
        return AccessDenied(f"{address.url} refused the token, or there was none ({error}). {_HELP}")
    return _unknown(error, address) if error.status == 404 else error


def _forbidden(error: AccessDenied) -> AccessDenied:
    error.forbidden = True
    return error


def _unknown(error: HttpRefused, address: Address) -> Exception:
    return ServerNotFound(
        f"{address.url} answers, but knows no socket.io/ (HTTP {error.status}): the server extension jupyter_rtmsg is "
        "not installed or not enabled there; see `jupyter server extension list`."
    )


def _redirect(error: HttpRefused, address: Address) -> Exception:
    """Say where a redirect leads: none is followed, since the token would go there too."""
    target = urlsplit(urljoin(address.url, error.location))
    to = f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}"  # what follows may hold secrets
    if target[:3] == urlsplit(f"{address.url}socket.io")[:3]:  # Jupyter's answer to any path it does not know
        return _unknown(error, address)
    if _LOGIN.search(target.path):
        return AccessDenied(
            f"{address.url} refused the token, or there was none (HTTP {error.status}, redirect to {to}). {_HELP}"
        )
    if not error.location:
        to = "nowhere: it has no Location"
    return ServerNotFound(
        f"{address.url} redirects to {to} (HTTP {error.status}). Redirects are not followed: give the address where "
        "the server is, with the right scheme, host and path."
    )


def proxy_refusal(error: ProxyFailed, address: Address) -> Exception:
    """Say that a proxy is in the way, at once where trying again does not mend it."""
    return error if error.passing else ServerUnreachable(f"{address.url} was not reached: {error}.")


def refused(data: Any) -> tuple[str, Any]:
    """Return the message of a CONNECT_ERROR, and what goes with it."""
    fields = data if isinstance(data, dict) else {"message": str(data)}
    return str(fields.get("message", "refused")), fields.get("data")


def connect_error(data: Any, address: Address) -> Exception:
    """Say what a hub's CONNECT_ERROR means: a wrong token, or something that may pass."""
    message, detail = refused(data)
    code = detail.get("code") if isinstance(detail, dict) else None
    if code == "forbidden":
        return _forbidden(AccessDenied(f"{address.url} refused the connection: {message}"))
    if code == "unauthorized":
        return AccessDenied(f"{address.url} refused the connection: {message}. {_HELP}")
    if code == "parser":
        return ConnectionRefused(f"{address.url} is no hub: {message}")
    return Disconnected(f"{address.url} refused the connection: {message}")
