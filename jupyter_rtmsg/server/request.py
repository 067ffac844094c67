"""What is known of an HTTP request, whichever transport it is for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request for an engine: of the one that opened a session, `Session.request`.

    Attributes
    ----------
    headers : mapping of str to str
        Case-insensitive.
    query : dict of str to str
        The parameters of its URL.
    address : str
        The IP address of the client: behind a trusted proxy, the one that the proxy tells.
    secure : bool
        Whether the client is known to use TLS: with this server, or with a trusted proxy.
    url : str
        The path and query as they came.
    host : str
        The host and port that the client asked for, as its ``Host`` or a trusted proxy tells; ``""`` if unknown.
    method : str
    """

    headers: Any = field(repr=False)  # which hold cookies and tokens
    query: dict[str, str] = field(default_factory=dict, repr=False)
    address: str = ""
    secure: bool = False
    url: str = field(default="", repr=False)  # which holds the session's id
    host: str = ""
    method: str = "GET"
