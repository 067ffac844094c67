"""Names that hide characters, or change the direction of the text beside them."""

from __future__ import annotations

import pytest

from jupyter_rtmsg import Event, Sender
from jupyter_rtmsg.errors import BadEvent, BadRequest, BadRoom
from jupyter_rtmsg.hub.names import SubscriptionName, event_name, room_name
from jupyter_rtmsg.names import fault
from jupyter_rtmsg.rooms.history import Events
from jupyter_rtmsg.rooms.members import Member, MemberList
from jupyter_rtmsg.rooms.names import Names
from jupyter_rtmsg.widgets.display import line

HIDDEN = [
    "a\x1b[2Jb", "a\nb", "a\x00b", "a\x9bb", "a\u202eb", "a\u2066b", "a\u200bb", "a\u2028b", "a\u00adb", "a\ufeffb",
    "a\u200db", "a\u200cb", "\u062f\u200c\u0627", "a\u3164b", "a\u115fb", "a\uffa0b", "a\u2800b", "a\u17b4b",
    "a\u034fb", "a\ufe0fb", "a\U000e0100b", "a\U000e0041b", "a\ud800b",
]  # fmt: skip
NEEDED = ["می‌خواهم", "क्‍ष", "ශ්‍රී"]
EMOJI = ["👩\u200d🚀", "❤\ufe0f", "1\ufe0f\u20e3", "👩🏽\u200d💻"]


@pytest.mark.parametrize("name", HIDDEN)
def test_no_name_has_hidden_characters(name: str) -> None:
    assert fault(name)
    for rule, error in ((room_name, BadRoom), (event_name, BadEvent), (SubscriptionName.of_client, BadRequest)):
        with pytest.raises(error) as refused:
            rule(name)  # type: ignore[operator]
        refused.value.message.encode()
        assert "\x1b" not in refused.value.message
        assert "\u202e" not in refused.value.message


@pytest.mark.parametrize("name", NEEDED)
def test_joiners_stay_where_a_script_needs_them(name: str) -> None:
    assert not fault(name)
    assert (room_name(name), event_name(name), SubscriptionName.of_client(name).label) == (name, name, name)


@pytest.mark.parametrize("name", [*EMOJI, "葛\U000e0100"])
def test_emoji_and_variants_of_ideographs_are_names_but_no_rooms(name: str) -> None:
    assert not fault(name)
    assert event_name(name) == name
    with pytest.raises(BadRoom):
        room_name(name)


@pytest.mark.parametrize("name", ["\u0301", "a.\u0301b", "-\u0301", "\u3164", "\u115f\u1160", "\u17b4"])
def test_no_room_is_named_by_marks_or_blanks_alone(name: str) -> None:
    with pytest.raises(BadRoom):
        room_name(name)


@pytest.mark.parametrize("name", [" ", "\u3000\u2003"])
def test_no_event_is_named_by_blanks_alone(name: str) -> None:
    with pytest.raises(BadEvent):
        event_name(name)


def old(name: str, sender: Sender) -> Event:
    """An event that was stored before there were rules for names."""
    return Event("lab", name, None, 1, 0, 0, sender)


def test_names_of_events_that_were_stored_before_the_rule_are_shown_escaped() -> None:
    event = old("tick\u202e\x1b[2J", Sender("ada", "script", "ada", "m"))
    for text in (repr(event), Events([event])._repr_html_(), line(event, Names())["name"]):
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "\\u202e" in text
    assert "\u202e" not in MemberList([Member("m", "a\u202e", "script", "x\u202e", notebook="\u202en")])._repr_html_()


def test_a_name_from_right_to_left_moves_nothing_beside_it() -> None:
    who = Sender("eve", "script", "אדה", "m")
    assert Names("bob", [who]).of(who) == "\u2068אדה\u2069 (eve)"
    assert "from \u2068אדה\u2069 (eve):" in repr(old("tick", who))
    table = Events([old("شكرا", who)])._repr_html_()
    assert table.count('dir="auto"') == 10, "each cell is a paragraph of its own"


@pytest.mark.parametrize("kind", ["script", "agent", "kernel", "browser"])
@pytest.mark.parametrize("name", ["ada", "ada (you)", "Ada Lovelace", "token:server"])
def test_a_name_of_ones_own_choice_stands_beside_the_user(kind: str, name: str) -> None:
    who = Sender("eve", kind, name, "m")
    assert Names("ada", [who]).of(who) == f"{name} (eve)"
    assert f"{name} (eve)" in repr(old("tick", who))
    assert f"{name} (eve)" in repr(MemberList([Member("m", "eve", kind, name)], you="ada"))
    shown = line(old("tick", who), Names("ada", [who]))
    assert (shown["sender"], shown["user"]) == (name, "eve")
