"""Why a connection ended, in the words of socket.io-client."""

from __future__ import annotations

CLIENT_LEFT = "io client disconnect"
SERVER_LEFT = "io server disconnect"

_BEGINNINGS = {  # how a session's own account begins
    "ping timeout": "ping timeout",
    "protocol error": "parse error",
    "transport error": "transport error",
    "forced close": "forced close",
}


def reason_for(account: str) -> str:
    """Return the reason that belongs to a session's account of its end."""
    for beginning, reason in _BEGINNINGS.items():
        if account.startswith(beginning):
            return reason
    return "transport close"
