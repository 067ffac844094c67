"""Removes credentials from texts that are logged, shown, or sent to other programs."""

from __future__ import annotations

import re

_USERINFO = re.compile(
    r"""(?<=://)(?:
        [^/?\#\s"'<>]*@                              # user:password@
        | [^/?\#\s"'<>:@]+:(?!\d{1,5}/)[^\s"'<>]*@   # a password with a slash in it
    )""",
    re.VERBOSE,
)
_PARAMETER = re.compile(
    r"""([?&;](?:[\w.-]*(?:token|password|passwd|secret|key)|sid|code|auth)=)[^&;#\s"'<>]+""", re.IGNORECASE
)
_HEADER = re.compile(r"\b((?:token|bearer|basic)\s+)[\w.~+/=-]{16,}", re.IGNORECASE)
REDACTED = "***"


def redacted(text: str) -> str:
    """Return a text without its credentials.

    Removed are users and passwords in URLs (``nats://ada:secret@host``), values of query parameters with names of
    secrets (``?token=...``, ``&sid=...``), and the credentials after ``token``, ``Bearer`` or ``Basic``.
    """
    if "://" in text:
        text = _USERINFO.sub("", text)
    text = _PARAMETER.sub(rf"\1{REDACTED}", text)
    return _HEADER.sub(rf"\1{REDACTED}", text)
