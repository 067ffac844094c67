"""Figures, and every other object that says what it looks like in a notebook."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from jupyter_rtmsg.errors import NotJSON, PayloadRefused

from .buffers import PayloadReader, PayloadWriter
from .display import FRAMED, Display
from .images import JPEG, PNG, size_of
from .libraries import try_load
from .scalars import text_of

_PLOTLY = "application/vnd.plotly.v1+json"
_VEGA = re.compile(r"application/vnd\.vegalite\.v\d{1,2}\+json")
_TEXTS = ("text/plain", *FRAMED)
_CHARTS = frozenset({"Chart", "ConcatChart", "FacetChart", "HConcatChart", "LayerChart", "RepeatChart", "VConcatChart"})
_LONGEST_TEXT = 20_000  # characters of a text/plain beside a picture


def encode_matplotlib(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a figure of matplotlib as PNG."""
    file = io.BytesIO()
    value.savefig(file, format="png")
    data = file.getvalue()
    bundle = {PNG: _picture(PNG, data, writer), "text/plain": str(value)}
    return {"$type": "display", "class": "matplotlib.figure.Figure", "bundle": bundle}


def encode_plotly(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a figure of Plotly as its JSON."""
    bundle = {_PLOTLY: json.loads(value.to_json()), "text/plain": f"Figure of {len(value.data)} traces"}
    return {"$type": "display", "class": "plotly.graph_objects.Figure", "bundle": bundle}


def encode_altair(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a chart of Altair as Vega-Lite JSON, with its data."""
    try:
        specification = value.to_dict()
    except Exception as error:  # a chart that is not complete, or has too many rows for Altair
        raise NotJSON(f"the chart cannot be written as Vega-Lite: {' '.join(str(error).split()):.300}") from None
    version = re.search(r"/v(\d+)", str(specification.get("$schema", "")))
    mime = f"application/vnd.vegalite.v{version[1] if version else 5}+json"
    kind = next((each.__name__ for each in type(value).__mro__ if each.__name__ in _CHARTS), "Chart")
    bundle = {mime: specification, "text/plain": f"{kind} of Altair"}
    return {"$type": "display", "class": f"altair.{kind}", "bundle": bundle}


def encode_mimebundle(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode an object by what it looks like in a notebook: a picture, and texts. Scripts are left out."""
    kind = f"{type(value).__module__}.{type(value).__name__}"
    given = value._repr_mimebundle_()
    data = given[0] if isinstance(given, tuple) else given
    if not isinstance(data, Mapping):
        raise NotJSON(f"{kind} has no data by MIME type: its _repr_mimebundle_() returned {type(data).__name__}")
    bundle: dict[str, Any] = {}
    for mime in (PNG, JPEG):
        if mime in data:
            content = data[mime]
            bundle[mime] = _picture(mime, base64.b64decode(content) if isinstance(content, str) else content, writer)
    for mime in _TEXTS:
        if isinstance(data.get(mime), str):
            bundle[mime] = data[mime][:_LONGEST_TEXT] if mime == "text/plain" else data[mime]
    if not bundle:
        raise NotJSON(f"{kind} shows itself as {', '.join(map(str, data))} only. Send a picture or a text of it")
    return {"$type": "display", "class": kind, "bundle": bundle}


def _picture(mime: str, data: bytes, writer: PayloadWriter) -> list[int]:
    try:
        size_of(memoryview(data), mime)
    except ValueError as error:
        raise NotJSON(f"its {mime} is not sent: {error}") from None
    return writer.buffer(data)


def decode_display(fields: dict[str, Any], reader: PayloadReader) -> Any:
    """Decode a figure: one of its library, if that is installed; else what it looks like."""
    kind, wire = text_of(fields, "class", 256), fields.get("bundle")
    if type(wire) is not dict or not wire:
        raise PayloadRefused("'bundle' has the content by MIME type")
    bundle = {mime: _content(mime, content, reader) for mime, content in wire.items()}
    module, _, name = kind.rpartition(".")
    if module == "plotly.graph_objects" and isinstance(bundle.get(_PLOTLY), dict):
        library = try_load("plotly.graph_objects")
        return library.Figure(bundle[_PLOTLY]) if library else Display(kind, bundle)
    if module == "altair" and name in _CHARTS:
        chart = next((content for mime, content in bundle.items() if _VEGA.fullmatch(mime)), None)
        library = try_load("altair")
        return getattr(library, name).from_dict(chart) if library and chart else Display(kind, bundle)
    return Display(kind, bundle)


def _content(mime: str, content: Any, reader: PayloadReader) -> Any:
    if mime in (PNG, JPEG):
        data = reader.buffer(content)
        size_of(data, mime)
        return data
    if mime in _TEXTS and isinstance(content, str):
        return content
    if (mime == _PLOTLY or _VEGA.fullmatch(mime)) and isinstance(content, dict):
        return content
    raise PayloadRefused(f"{mime!r:.80} is not shown: pictures, texts, Plotly and Vega-Lite are")


ENCODERS = {
    "matplotlib.Figure": encode_matplotlib,
    "plotly.BaseFigure": encode_plotly,
    "altair.TopLevelMixin": encode_altair,
}
DECODERS = {"display": decode_display}
