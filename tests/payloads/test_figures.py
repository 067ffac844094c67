"""Figures, and objects that say what they look like."""

from __future__ import annotations

import base64
import sys
from typing import Any

import altair as alt
import matplotlib.figure
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from payloads.test_images import png
from PIL import Image
from support.payloads import on_wire, packed, round_trip

from jupyter_rtmsg.errors import NotJSON, PayloadRefused, PayloadTooLarge
from jupyter_rtmsg.payloads import Display, decode


class Shown:
    """An object that shows itself."""

    def __init__(self, **bundle: Any) -> None:
        self.bundle = {mime.replace("__", "/").replace("_plus_", "+"): content for mime, content in bundle.items()}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return self.bundle


def test_a_figure_of_matplotlib_comes_back_as_its_picture() -> None:
    figure = matplotlib.figure.Figure()
    figure.subplots().plot([1, 2])
    display = round_trip(figure)
    assert isinstance(display, Display)
    assert display.kind == "matplotlib.figure.Figure"
    shown = display._repr_mimebundle_()
    assert base64.b64decode(shown["image/png"]).startswith(b"\x89PNG")
    assert shown["text/plain"] == "Figure(640x480)"


def test_a_figure_of_plotly_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = go.Figure(go.Scatter(y=np.arange(5.0)), {"title": {"text": "ü"}})
    wire = on_wire([figure])
    assert decode(wire)[0] == figure
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    assert list(decode(wire)[0].bundle) == ["application/vnd.plotly.v1+json", "text/plain"]


def test_a_chart_of_altair_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    chart = alt.Chart(pd.DataFrame({"a": [1], "b": [2]})).mark_point().encode(x="a", y="b")
    for each in (chart, chart + chart):
        back = round_trip(each)
        assert type(back) is type(each)
        assert back.to_dict() == each.to_dict()
    wire = on_wire(chart)
    monkeypatch.setitem(sys.modules, "altair", None)
    assert isinstance(decode(wire), Display)


def test_a_chart_that_is_not_complete_says_why() -> None:
    with pytest.raises(NotJSON, match="cannot be written as Vega-Lite"):
        on_wire(alt.Chart(pd.DataFrame({"a": range(6_000)})).mark_point())


def test_html_and_svg_are_in_a_frame_without_scripts_and_origin() -> None:
    script = "<script>parent.alert(1)</script>"
    for mime in ("text__html", "image__svg_plus_xml"):
        shown = round_trip(Shown(**{mime: script, "text__plain": "plain"}))._repr_mimebundle_()
        assert set(shown) == {"text/html", "text/plain"}
        assert '<iframe sandbox=""' in shown["text/html"]
        assert "default-src &#x27;none&#x27;" in shown["text/html"]
        assert "<script" not in shown["text/html"]


def test_a_picture_is_shown_rather_than_html() -> None:
    shown = round_trip(Shown(image__png=png(3, 3), text__html="<b>x</b>"))._repr_mimebundle_()
    assert set(shown) == {"image/png"}


def test_scripts_are_left_out_and_alone_refused() -> None:
    both = Shown(application__javascript="alert(1)", text__plain="x")
    assert on_wire(both)["bundle"] == {"text/plain": "x"}
    with pytest.raises(NotJSON, match="Shown shows itself as application/javascript only"):
        on_wire(Shown(application__javascript="alert(1)"))


def test_a_picture_with_a_wrong_header_is_not_sent() -> None:
    with pytest.raises(NotJSON, match=r"its image/png is not sent: the picture has 100,000 x 100,000 pixels"):
        on_wire(Shown(image__png=base64.b64encode(png(100_000, 100_000)).decode()))
    with pytest.raises(NotJSON, match="_repr_mimebundle_"):
        on_wire(type("Odd", (), {"_repr_mimebundle_": lambda self, include=None, exclude=None: None})())


def test_the_text_of_others_cannot_reach_the_terminal() -> None:
    display = round_trip(Shown(text__plain="a\x1b[2J\nb"))
    assert display._repr_mimebundle_()["text/plain"] == "a\\x1b[2J\nb"
    assert "\x1b" not in repr(Display("a\x1b[2J", {}))


@pytest.mark.parametrize(
    "bundle",
    [
        {"application/javascript": "alert(1)"},
        {"text/html": 1},
        {"text/html": [0, 8]},
        {"image/png": "text"},
        {"image/gif": [0, 8]},
        {"image/png": [0, 8]},
        {"application/vnd.plotly.v1+json": "text"},
        {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}},
        {},
        None,
        [1],
    ],
    ids=str,
)
def test_a_bundle_with_anything_else_is_refused(bundle: Any) -> None:
    decoded = decode(packed({"$type": "display", "class": "x", "bundle": bundle}, bytes(8)))
    assert isinstance(decoded.error, PayloadRefused)


def test_a_picture_of_others_is_checked_by_its_header() -> None:
    data = png(100_000, 100_000)
    decoded = decode(packed({"$type": "display", "class": "x", "bundle": {"image/png": [0, len(data)]}}, data))
    assert isinstance(decoded.error, PayloadTooLarge)


def test_a_figure_with_properties_that_plotly_does_not_have_is_refused() -> None:
    bundle = {"application/vnd.plotly.v1+json": {"data": [{"type": "evil", "x": 1}]}}
    assert isinstance(
        decode({"$type": "display", "class": "plotly.graph_objects.Figure", "bundle": bundle}).error, PayloadRefused
    )
    bundle = {"application/vnd.vegalite.v5+json": {"mark": 1}}
    assert isinstance(decode({"$type": "display", "class": "altair.Chart", "bundle": bundle}).error, PayloadRefused)


def test_an_image_is_an_image_and_not_what_it_looks_like() -> None:
    assert on_wire(Image.new("RGB", (1, 1)))["value"]["$type"] == "image"
