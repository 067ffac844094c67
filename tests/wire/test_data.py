"""Strict JSON with binary attachments: what may be sent, what may be received, and that both are the same."""

from __future__ import annotations

import enum
import json
from collections import OrderedDict, defaultdict, namedtuple
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.errors import NotJSON, ProtocolError
from jupyter_rtmsg.wire.data import MAX_DEPTH, SHALLOW, dump, is_shallow, load, prune, reconstruct


def sent(value: Any) -> Any:
    """Return what a peer receives."""
    text, attachments = dump(value)
    return reconstruct(load(text), attachments)


def nested(levels: int, value: Any = None) -> Any:
    """Return a value inside so many lists."""
    for _ in range(levels):
        value = [value]
    return value


# -- dump: what is taken


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not me"


class Color(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Number(int):
    pass


class Real(float):
    pass


class Dict(dict):  # type: ignore[type-arg]
    pass


class List(list):  # type: ignore[type-arg]
    pass


Point = namedtuple("Point", "x y")

EQUAL = {
    "null": (None, None),
    "true": (True, True),
    "false": (False, False),
    "an int": (1, 1),
    "an int beyond 64 bits": (2**70, 2**70),
    "a negative int": (-(2**63) - 1, -(2**63) - 1),
    "a float": (0.1, 0.1),
    "a whole float": (2.0, 2.0),
    "the smallest float": (5e-324, 5e-324),
    "the largest float": (1.7976931348623157e308, 1.7976931348623157e308),
    "a str": ("é😀\x00\x1e\u2028", "é😀\x00\x1e\u2028"),
    "an empty list": ([], []),
    "an empty dict": ({}, {}),
    "a tuple": ((1, (2, 3)), [1, [2, 3]]),
    "a named tuple": (Point(1, 2), [1, 2]),
    "a str subclass": ([Text("a")], ["a"]),
    "a str enum": (Color.RED, "red"),
    "an int enum": ([Level.HIGH], [3]),
    "an int subclass": (Number(7), 7),
    "a float subclass": (Real(0.5), 0.5),
    "a dict subclass": (Dict(a=1), {"a": 1}),
    "a list subclass": (List([1]), [1]),
    "an OrderedDict": (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "a defaultdict": (defaultdict(list, a=[1]), {"a": [1]}),
    "a key that is a str subclass": ({Text("a"): 1}, {"a": 1}),
    "a key that is a str enum": ({Color.RED: 1}, {"red": 1}),
    "an empty key": ({"": 1}, {"": 1}),
    "a fraction": (Fraction(1, 4), 0.25),
    "np.float64": (np.float64(0.5), 0.5),
    "np.float32": ([np.float32(0.5)], [0.5]),
    "np.float16": (np.float16(0.5), 0.5),
    "np.int64": (np.int64(-7), -7),
    "np.uint8": ({"a": np.uint8(255)}, {"a": 255}),
    "np.uint64": (np.uint64(2**64 - 1), 2**64 - 1),
    "np.bool": ([np.bool_(True), np.bool_(False)], [True, False]),
    "np.str_": (np.str_("a"), "a"),
    "bytes": (b"\x00\xff", b"\x00\xff"),
    "empty bytes": ([b""], [b""]),
    "a bytearray": ([bytearray(b"ab")], [b"ab"]),
    "a memoryview": ({"a": memoryview(b"ab")}, {"a": b"ab"}),
    "a strided memoryview": ([memoryview(b"abcd")[::2]], [b"ac"]),
    "np.bytes_": ([np.bytes_(b"ab")], [b"ab"]),
    "bytes at all depths": (
        [b"0", {"a": [b"1", {"b": b"2"}], "c": (b"3",)}, b"4"],
        [b"0", {"a": [b"1", {"b": b"2"}], "c": [b"3"]}, b"4"],
    ),
    "the same bytes twice": ([b"a", b"a"], [b"a", b"a"]),
    "__proto__": ({"__proto__": {"constructor": 1}}, {"__proto__": {"constructor": 1}}),
    "a num that is no placeholder": ({"num": 0}, {"num": 0}),
    "the word as a value": (["_placeholder"], ["_placeholder"]),
}


@pytest.mark.parametrize(("value", "expected"), EQUAL.values(), ids=EQUAL)
def test_arrives_equal(value, expected):
    received = sent(value)
    assert received == expected
    assert repr(received) == repr(expected)  # True is not 1, 2.0 is not 2


def test_the_attachments_are_in_the_order_of_a_depth_first_walk():
    text, attachments = dump(["x", {"b": b"0", "a": [b"1"]}, b"2"])
    places = [{"_placeholder": True, "num": i} for i in range(3)]
    assert attachments == (b"0", b"1", b"2")
    assert json.loads(text) == ["x", {"b": places[0], "a": [places[1]]}, places[2]]


def test_attachments_are_copies_that_the_caller_cannot_change_any_more():
    data = bytearray(b"before")
    _, attachments = dump([data])
    data[:] = b"after!"
    assert attachments == (b"before",)


def test_the_json_is_compact_and_holds_no_raw_control_characters():
    text, _ = dump({"a": ["\x1e\n", 1]})
    assert text == b'{"a":["\\u001e\\n",1]}'


# -- dump: what is refused

circular_list: list[Any] = []
circular_list.append(circular_list)
circular_dict: dict[str, Any] = {}
circular_dict["self"] = [circular_dict]
twice_circular: list[Any] = []
twice_circular += [twice_circular, twice_circular]

REFUSED = {
    "NaN": (float("nan"), "nan"),
    "infinity": ([float("inf")], "inf"),
    "minus infinity": ({"a": [float("-inf")]}, "-inf"),
    "NumPy's NaN": (np.float64("nan"), "nan"),
    "NumPy's float32 NaN": ([np.float32("nan")], "nan"),
    "a set": ([{1}], "set"),
    "a frozenset": (frozenset(), "frozenset"),
    "an object": (object(), "object"),
    "a function": (len, "builtin_function_or_method"),
    "a complex": (1j, "complex"),
    "an array": (np.arange(3), "ndarray"),
    "a datetime64": (np.datetime64("2020-01-01"), "datetime64"),
    "a generator": ((i for i in ()), "generator"),
    "a circular list": (circular_list, "contains itself"),
    "a circular dict": (circular_dict, "contains itself"),
    "a list that holds itself twice": (twice_circular, "contains itself"),
    "an int as a key": ({1: 1}, "keys of a dict must be str, not int"),
    "None as a key": ([{None: 1}], "not NoneType"),
    "a tuple as a key": ({(1, 2): 1}, "not tuple"),
    "bytes as a key": ({b"a": 1}, "not bytes"),
    "a placeholder of one's own": ({"_placeholder": True, "num": 0}, "'_placeholder'"),
    "a placeholder of any value": ([{"_placeholder": None}], "'_placeholder'"),
    "a lone surrogate": ("\ud800", "surrogate"),
    "a lone surrogate in a list": (["a", "\udfff"], "surrogate"),
    "a lone surrogate in a key": ({"\ud800": 1}, "surrogate"),
    "an int of 5,000 digits": ([10**5000], "too large"),
    "too deep a list": (nested(MAX_DEPTH + 1), "too deeply"),
    "bytes too deep for their placeholder": (nested(MAX_DEPTH, b""), "too deeply"),
    "a list 50,000 deep": (nested(50_000), "too deeply"),
}


@pytest.mark.parametrize(("value", "words"), REFUSED.values(), ids=REFUSED)
def test_is_refused_where_it_is_handed_in(value, words):
    with pytest.raises(NotJSON) as error:
        dump(value)
    assert words in str(error.value)


def test_the_refusal_is_a_type_error_and_a_value_error():
    with pytest.raises(TypeError):
        dump({1})
    with pytest.raises(ValueError, match="nan"):
        dump(float("nan"))


def test_a_huge_value_is_not_shown_whole():
    with pytest.raises(NotJSON) as error:
        dump({("x" * 1000,)})
    assert len(str(error.value)) < 200


# -- load

NOT_JSON = {
    "nothing": "",
    "a space": " ",
    "NaN": "NaN",
    "NaN in a list": "[1,NaN]",
    "Infinity": '{"a":Infinity}',
    "minus Infinity": "[-Infinity]",
    "a number too large": "1e400",
    "an integer of 5,000 digits": "1" * 5000,
    "a leading zero": "01",
    "a leading plus": "+1",
    "a leading point": ".5",
    "a trailing point": "1.",
    "hexadecimal": "0x10",
    "a trailing comma": "[1,]",
    "a missing comma": "[1 2]",
    "an open list": "[1",
    "an open object": '{"a":1',
    "an open string": '"a',
    "a closed list": "[1]]",
    "something behind": "[1] x",
    "two values": "[][]",
    "single quotes": "'a'",
    "a bare key": "{a:1}",
    "a number as key": "{1:2}",
    "a comment": "[1]//x",
    "undefined": "undefined",
    "True": "True",
    "a raw control character": '"\x1e"',
    "a raw newline": '"\n"',
    "a wrong escape": '"\\x41"',
    "half an escape": '"\\u00"',
    "a lone surrogate, escaped": '"\\ud800"',
    "a lone low surrogate, escaped": '["\\udc00"]',
    "surrogates the wrong way round": '"\\udc00\\ud800"',
    "a lone surrogate": '"\ud800"',
    "bytes that are no UTF-8": b'"\xff"',
    "a byte order mark": "\ufeff[]",
}


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
def test_is_no_json(text):
    with pytest.raises(ProtocolError, match="invalid JSON"):
        load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" [ 1 , 2 ] ", [1, 2]),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\u0000"', "\0"),
        ("1e2", 100.0),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ('{"__proto__":1,"constructor":2}', {"__proto__": 1, "constructor": 2}),
        ('{"a":1,"a":2}', {"a": 2}),
        (b'"\xc3\xa9"', "é"),
    ],
)
def test_json_is_read_as_rfc_8259_says(text, value):
    assert load(text) == value


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_json_may_be_nested_up_to_the_limit_and_no_deeper(brackets):
    opening = '{"a":' if brackets == "{}" else "["
    fits = opening * (MAX_DEPTH - 1) + brackets + brackets[1] * (MAX_DEPTH - 1)
    load(fits)
    with pytest.raises(ProtocolError, match=f"more than {MAX_DEPTH} levels deep"):
        load(opening * MAX_DEPTH + brackets + brackets[1] * MAX_DEPTH)


def test_bytes_are_as_bounded_as_text():
    with pytest.raises(ProtocolError, match="levels deep"):
        load(b"[" * 65 + b"]" * 65)
    assert load(b"[" * 64 + b"]" * 64) == nested(63, [])


@pytest.mark.parametrize("count", [65, 50_000, 900_000])
def test_deep_nesting_is_refused_not_crashed_on(count):
    for text in ("[" * count + "]" * count, "[" * count, '{"a":' * count, '[{"a":' * count):
        with pytest.raises(ProtocolError):
            load(text)


def test_wide_is_not_deep():
    text = "[" + ",".join(["[]"] * 1000) + "]"
    assert load(text) == [[]] * 1000


@pytest.mark.parametrize("inside", ["[" * 100, "{" * 100, '\\"' + "[" * 100, "\\\\", "[\\\\\\" + '"' + "[" * 99])
def test_brackets_inside_strings_do_not_count(inside):
    text = f'["{inside}"]'
    assert load(text) == json.loads(text)


QUADRATIC = {
    "escaped quotes in an open string": lambda n: "[" * 65 + '"' + '\\"' * n,
    "backslashes in an open string": lambda n: "[" * 65 + '"' + "\\\\" * n,
    "a long open string": lambda n: "[" * 65 + '"' + "a" * n,
    "many strings": lambda n: "[" * 65 + '"a",' * n,
    "quotes and line ends": lambda n: "[" * 65 + '"\\\n' * n,
}


@pytest.mark.parametrize("text", QUADRATIC.values(), ids=QUADRATIC)
@pytest.mark.timeout(20)
def test_the_depth_of_a_megabyte_is_found_at_once(text):
    """What grew with the square would take hours here rather than parts of a second."""
    with pytest.raises(ProtocolError):
        load(text(250_000))


# -- reconstruct

HOLE = {"_placeholder": True, "num": 0}

ILLEGAL = {
    "num -1": ({**HOLE, "num": -1}, 1),
    "num beyond the attachments": ({**HOLE, "num": 1}, 1),
    "num 5": ({**HOLE, "num": 5}, 1),
    'num "0"': ({**HOLE, "num": "0"}, 1),
    'num "push"': ({**HOLE, "num": "push"}, 1),
    'num "__proto__"': ({**HOLE, "num": "__proto__"}, 1),
    "num true": ([{**HOLE, "num": True}, HOLE], 2),
    "num false": ({**HOLE, "num": False}, 1),
    "num 0.0": ({**HOLE, "num": 0.0}, 1),
    "num 0.5": ({**HOLE, "num": 0.5}, 1),
    "num null": ({**HOLE, "num": None}, 1),
    "num a list": ({**HOLE, "num": [0]}, 1),
    "num huge": ({**HOLE, "num": 10**30}, 1),
    "no num": ({"_placeholder": True}, 1),
    "_placeholder 1": ({**HOLE, "_placeholder": 1}, 1),
    "_placeholder a str": ({**HOLE, "_placeholder": "true"}, 1),
    "_placeholder false": ([{**HOLE, "_placeholder": False}, HOLE], 1),
    "one more key": ({**HOLE, "x": 1}, 1),
    "used twice": ([HOLE, HOLE], 1),
    "used 16,000 times": ([HOLE] * 16_000, 1),
    "never used": (["x"], 1),
    "one of two used": ([HOLE], 2),
    "no placeholder at all": ({}, 3),
}


@pytest.mark.parametrize(("value", "count"), ILLEGAL.values(), ids=ILLEGAL)
def test_illegal_attachments(value, count):
    with pytest.raises(ProtocolError, match="illegal attachments"):
        reconstruct(["name", value], [b"%d" % i for i in range(count)])


def test_attachments_may_stand_in_any_order():
    value = [{**HOLE, "num": 1}, {"a": {"num": 0, "_placeholder": True}}]
    assert reconstruct(value, [b"0", b"1"]) == [b"1", {"a": b"0"}]


# -- properties

json_texts = st.text(st.characters(exclude_categories=["Cs"]))
keys = json_texts.filter(lambda key: key != "_placeholder")
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | json_texts
    | st.binary(max_size=20)
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5))


@given(values)
def test_any_json_with_bytes_anywhere_arrives_equal(value):
    received = sent(value)
    assert received == value
    assert repr(received) == repr(value)


@given(values)
def test_sent_text_is_json_to_other_parsers(value):
    text, attachments = dump(value)
    assert reconstruct(json.loads(text), attachments) == value


@given(st.one_of(st.text(), st.binary(), st.text('[]{}",:\\0aeE+-.tfn ')))
def test_load_raises_nothing_but_protocol_errors(text):
    with suppress(ProtocolError):
        load(text)


@given(values, st.lists(st.binary(max_size=4), max_size=3))
def test_reconstruct_raises_nothing_but_protocol_errors(value, attachments):
    with suppress(ProtocolError):
        reconstruct(value, attachments)


things = st.recursive(
    leaves | st.floats() | st.text() | st.complex_numbers() | st.sets(st.integers()) | st.datetimes() | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=4)
    ),
)


@given(things)
def test_dump_raises_nothing_but_not_json(value):
    with suppress(NotJSON):
        dump(value)


def pruned(value: Any, levels: int) -> Any:
    if not isinstance(value, (list, dict)):
        return value
    if not levels:
        return None
    if isinstance(value, dict):
        return {key: pruned(item, levels - 1) for key, item in value.items()}
    return [pruned(item, levels - 1) for item in value]


@given(st.recursive(json_texts | st.none(), lambda inner: st.lists(inner) | st.dictionaries(keys, inner)))
def test_pruned_json_is_the_same_except_for_values_that_are_too_deep(value):
    for levels in range(4):
        assert prune(json.dumps(value), levels) == pruned(value, levels)
        assert prune(json.dumps(value, ensure_ascii=False).encode(), levels) == pruned(value, levels)


@given(st.text('[]{}",:\\1'))
def test_pruning_raises_nothing_but_protocol_errors(text):
    with suppress(ProtocolError):
        prune(text, 2)


def test_pruned_json_may_be_as_deep_as_it_likes():
    assert prune('{"a":' * 900_000 + "1" + "}" * 900_000)["a"]["a"]["a"]
    with pytest.raises(ProtocolError, match="cut short"):
        prune("[" * 900_000)


def test_placeholders_count_on_after_those_that_stand_before():
    first, attachments = dump([b"a", b"b"])
    second, attachments = dump({"x": b"c"}, after=attachments)
    assert reconstruct(load(b"[%b,%b]" % (first, second)), attachments) == [[b"a", b"b"], {"x": b"c"}]


@pytest.mark.parametrize("leaf", [None, True, 1, 2**70, 0.5, "", [], {}], ids=repr)
def test_a_shallow_value_has_few_levels(leaf):
    levels = SHALLOW - isinstance(leaf, (list, dict))
    assert is_shallow(nested(levels, leaf))
    assert not is_shallow(nested(levels + 1, leaf))
    assert not is_shallow({"a": nested(levels, leaf)})


@pytest.mark.parametrize("binary", [b"x", b"", bytearray(b"x"), memoryview(b"x")], ids=lambda item: type(item).__name__)
@pytest.mark.parametrize("levels", range(SHALLOW + 2))
def test_a_value_with_bytes_is_never_shallow(binary, levels):
    assert not is_shallow(nested(levels, binary))
    if levels:
        assert not is_shallow(nested(levels - 1, {"a": 1, "b": binary}))
