"""What it means when a server does not let a client in, told in one line each."""

from __future__ import annotations

from typing import Any

from jupyter_rtmsg.errors import AccessDenied, Disconnected, ServerNotFound

from .address import Address
from .transport import UpgradeRefused

_HELP = (
    "Inside a kernel no token is needed where the extension is installed; elsewhere pass token=..., "
    "which `jupyter server list` shows."
)


def reason_of(error: BaseException | None) -> str:
    """Return what an error says, in one line."""
    return "no answer" if error is None else str(error) or type(error).__name__


def refusal(error: UpgradeRefused, address: Address) -> Exception:
    """Say what an answer other than 101 means."""
    if error.status in (401, 403) or 300 <= error.status < 400:
        return AccessDenied(f"{address.url} refused the token, or there was none ({error}). {_HELP}")
    if error.status == 404:
        return ServerNotFound(
            f"{address.url} answers, but knows no socket.io/ (HTTP 404): the server extension jupyter_rtmsg is not "
            "installed or not enabled there; see `jupyter server extension list`."
        )
    return error


def refused(data: Any) -> tuple[str, Any]:
    """Return the message of a CONNECT_ERROR, and what goes with it."""
    fields = data if isinstance(data, dict) else {"message": str(data)}
    return str(fields.get("message", "refused")), fields.get("data")


def connect_error(data: Any, address: Address) -> Exception:
    """Say what a hub's CONNECT_ERROR means: a wrong token, or something that may pass."""
    message, detail = refused(data)
    code = detail.get("code") if isinstance(detail, dict) else None
    if code in ("unauthorized", "forbidden"):
        return AccessDenied(f"{address.url} refused the connection: {message}. {_HELP}")
    return Disconnected(f"{address.url} refused the connection: {message}")
