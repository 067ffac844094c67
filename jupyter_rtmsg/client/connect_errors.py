"""The meaning of failures to connect: each becomes an error whose message is one line, with the next thing to do."""

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
_NOT_THE_TOKEN = re.compile("(Host|Origin) ")  # the first word of our server's other 403 responses
_LOGIN = re.compile(r"/(login|oauth2/authorize|oauth_login|oauth_callback)\b")  # of jupyter_server and JupyterHub


def reason_of(error: BaseException | None) -> str:
    """Return the message of an error, or its type's name if it has none."""
    return "no answer" if error is None else str(error) or type(error).__name__


def meaning(error: Exception, address: Address) -> Exception:
    """Return the error to raise for a failed attempt: a new one whose cause is ``error``, or ``error`` itself.

    Errors that are returned unchanged may pass; after the others no further attempt is made.
    """
    if isinstance(error, HttpRefused):
        meant = _refusal(error, address)
    elif isinstance(error, ProxyFailed):
        meant = error if error.transient else ServerUnreachable(f"{address.url} was not reached: {error}.")
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


def _refusal(error: HttpRefused, address: Address) -> Exception:
    if 300 <= error.status < 400:
        return _redirect(error, address)
    if error.status == 403 and _NOT_THE_TOKEN.match(error.body):
        return AccessDenied(f"{address.url} refused the request ({error}).", forbidden=True)
    if error.status in (401, 403):
        return AccessDenied(f"{address.url} refused the token, or there was none ({error}). {_HELP}")
    return _unknown(error, address) if error.status == 404 else error


def _unknown(error: HttpRefused, address: Address) -> Exception:
    return ServerNotFound(
        f"{address.url} answers, but knows no socket.io/ (HTTP {error.status}): the server extension jupyter_rtmsg is "
        "not installed or not enabled there; see `jupyter server extension list`."
    )


def _redirect(error: HttpRefused, address: Address) -> Exception:
    """Return an error that names the target. Redirects are not followed: the token would be sent there, too."""
    target = urlsplit(urljoin(address.url, error.location))
    to = f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}"  # user and query may contain secrets
    if target[:3] == urlsplit(f"{address.url}socket.io")[:3]:  # jupyter_server redirects every unknown path like this
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


def refused(data: Any) -> tuple[str, Any]:
    """Return the ``message`` and the ``data`` of a CONNECT_ERROR."""
    fields = data if isinstance(data, dict) else {"message": str(data)}
    return str(fields.get("message", "refused")), fields.get("data")


def connect_error(data: Any, address: Address) -> Exception:
    """Return the error for a hub's CONNECT_ERROR: `Disconnected` if another attempt may succeed."""
    message, detail = refused(data)
    code = detail.get("code") if isinstance(detail, dict) else None
    if code == "forbidden":
        return AccessDenied(f"{address.url} refused the connection: {message}", forbidden=True)
    if code == "unauthorized":
        return AccessDenied(f"{address.url} refused the connection: {message}. {_HELP}")
    if code == "parser":
        return ConnectionRefused(f"{address.url} is no hub: {message}")
    return Disconnected(f"{address.url} refused the connection: {message}")
