"""Objects of classes that people write, with and without registration."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, ClassVar

import attrs
import msgspec
import numpy as np
import pydantic
import pytest
from support.payloads import on_wire, refused, round_trip

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import NotJSON, PayloadRefused, WrongCall
from jupyter_rtmsg.payloads import decode


@dataclass
class Point:
    x: float
    y: float = 0.0
    length: float = field(init=False, default=0.0)
    kind: ClassVar[str] = "point"


@dataclass
class Line:
    ends: list[Point]
    weights: Any = None


@attrs.define
class Reading:
    _sensor: str
    value: float


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(alias="theName")
    layers: list[int]


class Row(msgspec.Struct):
    a: int
    b: str


class Color(enum.Enum):
    RED = (255, 0, 0)
    BLUE = "blue"


class Mode(enum.IntFlag):
    READ = 1
    WRITE = 2


_OBJECTS = [
    (Point(1.0, 2.0), {"x": 1.0, "y": 2.0}),
    (Reading("a", 1.5), {"sensor": "a", "value": 1.5}),
    (Model(theName="m", layers=[1, 2]), {"theName": "m", "layers": [1, 2]}),
    (Row(1, "b"), {"a": 1, "b": "b"}),
    (Color.BLUE, "blue"),
]


@pytest.mark.parametrize(("value", "data"), _OBJECTS, ids=lambda value: type(value).__name__)
def test_an_object_comes_back_as_its_data_where_its_class_is_not_registered(value: Any, data: Any) -> None:
    assert round_trip([value]) == [data]


@pytest.mark.parametrize(("value", "data"), _OBJECTS, ids=lambda value: type(value).__name__)
def test_an_object_comes_back_as_itself_where_its_class_is_registered(value: Any, data: Any) -> None:
    assert rt.payload(type(value)) is type(value)
    back = round_trip({"a": [value]})["a"][0]
    assert type(back) is type(value)
    assert back == value


def test_objects_are_within_objects_with_arrays_among_them() -> None:
    rt.payload(Line)
    line = Line([Point(1.0), Point(2.0)], np.arange(3.0))
    back = round_trip(line)
    assert back.ends == [{"x": 1.0, "y": 0.0}, {"x": 2.0, "y": 0.0}]
    assert back.weights.tolist() == [0.0, 1.0, 2.0]
    rt.payload(Point)
    assert round_trip(line).ends == line.ends


def test_a_class_is_found_by_its_name_and_never_imported() -> None:
    assert on_wire(Point(1.0)) == {"$type": "object", "class": "Point", "data": {"x": 1.0, "y": 0.0}}
    wire = {"$type": "object", "class": "subprocess.Popen", "data": {"args": ["true"]}}
    assert decode(wire) == {"args": ["true"]}


def test_a_class_that_is_registered_again_replaces_the_one_of_its_name() -> None:
    rt.payload(Point)

    @rt.payload(name="Point")
    @dataclass
    class Newer:
        x: float
        y: float

    assert type(round_trip(Point(1.0))) is Newer
    assert type(round_trip(Newer(1.0, 2.0))) is Newer


def test_a_class_may_bring_its_own_functions() -> None:
    class Net:
        def __init__(self, weights: Any) -> None:
            self.weights = weights

    with pytest.raises(NotJSON, match="Net is neither JSON nor bytes"):
        on_wire(Net(1))
    rt.payload(Net, lambda net: {"weights": net.weights}, lambda data: Net(data["weights"]))
    assert round_trip([Net(np.ones(2))])[0].weights.tolist() == [1.0, 1.0]

    class Deeper(Net):
        """One that inherits what was registered."""

    assert type(round_trip(Deeper(None))) is Net


def test_a_class_of_built_in_kind_is_sent_as_itself_where_it_is_registered() -> None:
    class Words(list):  # type: ignore[type-arg]
        pass

    assert round_trip(Words("ab")) == ["a", "b"]
    rt.payload(Words, list, Words)
    assert type(round_trip(Words("ab"))) is Words
    assert on_wire(Mode.WRITE) == 2
    rt.payload(Mode)
    assert round_trip([Mode.WRITE, Mode.READ | Mode.WRITE]) == [Mode.WRITE, Mode.READ | Mode.WRITE]


def test_an_encode_that_returns_its_own_argument_is_refused() -> None:
    class Loop:
        pass

    rt.payload(Loop, lambda loop: loop, lambda data: data)
    with pytest.raises(NotJSON, match="returns such an object again"):
        on_wire(Loop())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((Point(1.0),), r"payload\(\) registers a class, not Point. Write rt.payload\(Point\)"),
        ((object,), r"the fields of object are not known.*Write rt.payload\(object, encode, decode\)"),
        ((Point, str), r"needs both functions"),
    ],
)
def test_a_wrong_registration_says_what_to_write(arguments: Any, said: str) -> None:
    with pytest.raises(WrongCall, match=said):
        rt.payload(*arguments)


@pytest.mark.parametrize(
    "data", [{"x": 1.0, "z": 2.0}, {}, [1.0], None, {"x": 1.0, "length": 2.0}, {"__class__": 1}], ids=str
)
def test_fields_that_a_class_does_not_take_are_refused(data: Any) -> None:
    rt.payload(Point)
    error = refused({"$type": "object", "class": "Point", "data": data})
    assert isinstance(error, PayloadRefused)
    assert "Point" in str(error)


def test_a_model_checks_its_fields() -> None:
    rt.payload(Model)
    error = refused({"$type": "object", "class": "Model", "data": {"theName": "m", "layers": "many"}})
    assert "the class Model of this process does not take it: ValidationError" in str(error)


def test_a_decode_that_raises_is_told() -> None:
    rt.payload(type("Odd", (), {}), lambda odd: 1, lambda data: 1 / 0)
    assert "the decode of 'Odd' of this process raised ZeroDivisionError" in str(
        refused({"$type": "object", "class": "Odd", "data": 1})
    )


@pytest.mark.parametrize("wire", [{"name": "GREEN"}, {"name": None, "value": "green"}, {"name": 7, "value": []}, {}])
def test_a_member_that_an_enum_does_not_have_is_refused(wire: dict[str, Any]) -> None:
    rt.payload(Color)
    assert isinstance(refused({"$type": "enum", "class": "Color", **wire}), PayloadRefused)
