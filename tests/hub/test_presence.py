from __future__ import annotations

from dataclasses import replace

from jupyter_rtmsg.hub.identity import Identity
from jupyter_rtmsg.hub.presence import Presence

ANN = Identity(principal="ann", kind="kernel", name="train", member="m1", notebook="lab/train.ipynb")
BOB = Identity(principal="bob", kind="script", name="", member="m2")


def states(presence: Presence) -> list[tuple[str, str]]:
    return [(view.member, view.state) for view in presence.take_changes(100)]


def test_joins_and_leaves_are_broadcast() -> None:
    presence = Presence()
    presence.arrive(ANN)
    assert states(presence) == [("m1", "here")]
    assert not presence.depart("m1", lost=False)
    assert states(presence) == [("m1", "left")]
    assert len(presence) == 0


def test_a_lost_member_is_away_until_its_grace_time_is_over() -> None:
    presence = Presence()
    presence.arrive(ANN)
    states(presence)
    assert presence.depart("m1", lost=True)
    assert states(presence) == [("m1", "away")]
    assert len(presence) == 1
    presence.expire("m1")
    assert states(presence) == [("m1", "left")]


def test_a_member_that_is_back_before_the_broadcast_is_not_announced() -> None:
    presence = Presence()
    presence.arrive(ANN)
    states(presence)
    presence.depart("m1", lost=True)
    presence.arrive(ANN)
    presence.expire("m1")
    assert states(presence) == []
    presence.depart("m1", lost=False)
    presence.arrive(ANN)
    assert states(presence) == []
    assert len(presence) == 1


def test_a_member_that_came_and_left_between_broadcasts_is_not_mentioned() -> None:
    presence = Presence()
    presence.arrive(ANN)
    presence.depart("m1", lost=False)
    assert states(presence) == []


def test_a_listed_member_is_announced_as_left_even_if_it_was_never_broadcast() -> None:
    presence = Presence()
    presence.arrive(ANN)
    presence.listing("bob", 100)  # the reply to another member's join
    presence.depart("m1", lost=False)
    assert states(presence) == [("m1", "left")]


def test_a_member_listed_as_away_is_broadcast_again_when_it_is_back() -> None:
    presence = Presence()
    presence.arrive(ANN)
    states(presence)
    presence.depart("m1", lost=True)
    assert presence.listing("bob", 100)[0]["state"] == "away"
    presence.arrive(ANN)
    assert states(presence) == [("m1", "here")]


def test_a_member_with_two_connections_is_one_and_leaves_with_the_second() -> None:
    presence = Presence()
    presence.arrive(ANN)
    presence.arrive(ANN)
    states(presence)
    presence.depart("m1", lost=False)
    assert states(presence) == []
    presence.depart("m1", lost=False)
    assert states(presence) == [("m1", "left")]


def test_the_path_of_a_notebook_is_shown_to_its_own_user_only() -> None:
    presence = Presence()
    presence.arrive(ANN)
    assert presence.listing("ann", 100)[0]["notebook"] == "lab/train.ipynb"
    assert "notebook" not in presence.listing("bob", 100)[0]
    assert "notebook" not in presence.take_changes(1)[0].shown_to(None)


def test_the_path_of_a_notebook_that_everybody_may_read_is_shown_to_everybody() -> None:
    presence = Presence()
    presence.arrive(replace(ANN, public=True))
    assert presence.listing("bob", 100)[0]["notebook"] == "lab/train.ipynb"
    assert presence.take_changes(1)[0].shown_to(None)["notebook"] == "lab/train.ipynb"


def test_a_member_without_a_name_goes_by_its_user() -> None:
    presence = Presence()
    presence.arrive(BOB)
    assert presence.listing("x", 100)[0]["name"] == "bob"


def test_a_new_description_is_told() -> None:
    presence = Presence()
    presence.arrive(BOB)
    states(presence)
    presence.describe(replace(BOB, name="robert"))
    assert presence.take_changes(10)[0].name == "robert"


def test_lists_and_changes_are_capped_and_the_rest_of_the_changes_follows() -> None:
    presence = Presence()
    for number in range(250):
        presence.arrive(replace(BOB, member=f"m{number}"))
    assert len(presence) == 250
    assert len(presence.listing("x", 100)) == 100
    assert [len(presence.take_changes(100)) for _ in range(4)] == [100, 100, 50, 0]
