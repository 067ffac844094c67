"""`Display`: what an object looks like in a notebook, when the object itself cannot be sent."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any

from jupyter_rtmsg.names import escaped

FRAMED = ("text/html", "image/svg+xml")
"""What can hold scripts: it is shown in a frame that runs none, and has no origin."""


class Display:
    """What an object looks like, by MIME type. A notebook shows it as it showed the object.

    HTML and SVG are in a frame without scripts and origin, so what others sent can neither run code nor read the page.

    Parameters
    ----------
    kind : str
        The class of the object, for people.
    bundle : mapping
        A PNG or JPEG is bytes-like, a text is a str, a figure of Plotly or Vega-Lite is a dict.

    Attributes
    ----------
    kind : str
    bundle : mapping
    """

    __slots__ = ("bundle", "kind")

    def __init__(self, kind: str, bundle: Mapping[str, Any]) -> None:
        self.kind = kind
        self.bundle = bundle

    def __repr__(self) -> str:
        return f"<Display of {escaped(self.kind)}: {', '.join(map(escaped, self.bundle))}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Display):
            return NotImplemented
        return (self.kind, self.bundle) == (other.kind, other.bundle)

    __hash__ = None  # type: ignore[assignment]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return what IPython shows."""
        shown: dict[str, Any] = {}
        for mime, content in self.bundle.items():
            if isinstance(content, (bytes, memoryview)):
                shown[mime] = base64.b64encode(content).decode()
            elif mime == "text/plain":
                shown[mime] = "\n".join(map(escaped, content.split("\n")))
            elif mime not in FRAMED:
                shown[mime] = content
        framed = next((self.bundle[mime] for mime in FRAMED if mime in self.bundle), None)
        if framed is not None and len(shown) <= ("text/plain" in shown):
            shown["text/html"] = frame(framed)
        return shown


def frame(html: str) -> str:
    """Return HTML of others in a frame: it can neither run scripts nor load anything, and has an origin of its own."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
    document = f'<meta http-equiv="Content-Security-Policy" content="{policy}">{html}'
    style = "width:100%;height:20em;border:1px solid #8888;background:#fff"
    return f'<iframe sandbox="" srcdoc="{escape(document)}" style="{style}" loading="lazy"></iframe>'
