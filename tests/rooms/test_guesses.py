"""Somebody who guesses how to use subscriptions, groups, state and policies is told the right call."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import traitlets
from support.hub import HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg import errors


@pytest.fixture
def room(shared_hub: HubServer, room_name: str, client: Callable[..., rt.Client]) -> Iterator[rt.Room]:
    room = client(shared_hub).join(room_name, as_="plots")
    yield room
    room.leave()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("undo", 'before = lab.skip(), then lab.seek(before)'),
        ("workers", '@lab.worker("resize"'),
        ("redrive", 'lab.dead_letters("resize")'),
        ("retained", 'lab.state.set("lr", 0.01)'),
        ("shared", 'hub.shared(slider, "value", room="lab")'),
        ("notify", "rt.notify(..., room=lab)"),
        ("import_", "jupyter rtmsg import"),
        ("retention", "lab.policy("),
        ("connected", "lab.status"),
    ],
)  # fmt: skip
def test_a_name_that_a_room_has_not_is_answered_by_the_right_call(room: rt.Room, name: str, said: str) -> None:
    with pytest.raises(errors.WrongName) as caught:
        getattr(room, name)
    assert said in str(caught.value)


def test_names_that_the_objects_of_a_room_have_not_are_answered_by_the_right_call(room: rt.Room) -> None:
    with pytest.raises(errors.WrongName, match=r"lab.subscription.position"):
        room.subscription.cursor  # type: ignore[union-attr]  # noqa: B018
    with pytest.raises(errors.WrongName, match=r"lab.status"):
        room.state.connected  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(errors.WrongName, match=r"lab.worker|hub.join|write lab|that is a room's"):
        room.client.worker  # type: ignore[attr-defined]  # noqa: B018


def test_the_objects_of_a_group_name_the_right_call(room: rt.Room) -> None:
    @room.worker("reject everything")
    def reject(event: rt.Event) -> None:
        event.reject("for the test")

    room.emit("job")
    group = room.group("reject everything")
    for state in iter(group.refresh, None):
        if state.dead:
            break
    letters = group.dead_letters()
    with pytest.raises(errors.WrongName, match=r"group.workers"):
        group.members  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(errors.WrongName, match=r"letters.redrive\(\)"):
        letters.retry()  # type: ignore[attr-defined]
    with pytest.raises(errors.WrongName, match=r"letters.redrive\(letters\[0\]\)"):
        letters[0].redrive()  # type: ignore[attr-defined]


def test_a_value_is_not_set_by_an_assignment_and_the_error_names_set(room: rt.Room) -> None:
    with pytest.raises(errors.WrongCall, match=r"lab.state.set\('lr', 0.1\)"):
        room.state["lr"] = 0.1
    with pytest.raises(errors.WrongCall, match=r"lab.state.delete\('lr'\)"):
        del room.state["lr"]


def test_a_policy_with_other_limits_names_those_that_there_are(room: rt.Room) -> None:
    with pytest.raises(errors.WrongCall, match=r"count=, age=, bytes= or discard=.*no max_events="):
        room.policy(max_events=10)  # type: ignore[call-arg]
    with pytest.raises(errors.WrongCall, match="by name"):
        room.policy(10)  # type: ignore[call-arg,misc]


@pytest.mark.parametrize("wrong", [{"after": "x"}, {"after": -1}, {"after": True}, {"after": 0, "event": 5}])
def test_a_replay_with_wrong_arguments_is_refused_at_once(room: rt.Room, wrong: dict[str, object]) -> None:
    with pytest.raises(errors.WrongCall, match=r"after= is a seq|event= is the name"):
        room.replay(**wrong)  # type: ignore[call-overload]


def test_only_a_trait_can_be_shared(room: rt.Room) -> None:
    class Slider(traitlets.HasTraits):  # type: ignore[misc]
        value = traitlets.Int()

    with pytest.raises(errors.WrongCall, match=r"takes a widget.*not 5"):
        room.client.shared(5, room=room.name)  # type: ignore[attr-defined]
    with pytest.raises(errors.WrongCall, match="Slider has no trait 'valu'"):
        room.client.shared(Slider(), "valu", room=room.name)  # type: ignore[attr-defined]


def test_a_room_that_is_joined_does_not_drop_another_will_silently(room: rt.Room) -> None:
    with pytest.raises(ValueError, match="with no will: leave"):
        room.client.join(room.name, will=("gone", 1))  # type: ignore[call-arg]
    room.leave()
    again = room.client.join(room.name, will=("gone", 1))  # type: ignore[call-arg]
    assert room.client.join(room.name, will=("gone", 1)) is again  # type: ignore[call-arg]
    assert room.client.join(room.name) is again
    with pytest.raises(ValueError, match="with another will: leave"):
        room.client.join(room.name, will=("gone", 2))  # type: ignore[call-arg]
