from __future__ import annotations

from typing import Any

import pytest

from jupyter_rtmsg import Sender
from jupyter_rtmsg.rooms.decoding import sender_of
from jupyter_rtmsg.rooms.members import Member
from jupyter_rtmsg.rooms.names import Names, title


def kernel(notebook: str | None = None, user: str = "ada", name: str = "hw1") -> Sender:
    return Sender(user, "kernel", name, f"member of {notebook}", notebook)


def called(*people: Sender | Member, you: str | None = None) -> list[str]:
    names = Names(you, people)
    return [names.of(who) for who in people]


@pytest.mark.parametrize(
    ("who", "name"),
    [
        (Sender("ada", "script", "ada", "m"), "ada"),
        (Sender("ada", "browser", "Ada", "m"), "Ada"),
        (Sender("u1234", "browser", "Ada Lovelace", "m"), "Ada Lovelace (u1234)"),
        (Sender("ada", "script", "root", "m"), "root (ada)"),
        (Sender("ada", "script", "root (you)", "m"), "root (you) (ada)"),
        (Sender("9fd36a4210c14a9dbb0ba2f3a5e35ef1", "browser", "Anonymous Europa", "m"), "Anonymous Europa"),
        (Sender("9fd36a4210c14a9dbb0ba2f3a5e35ef1", "script", "root", "m"), "root (9fd36a4210c14a9dbb0ba2f3a5e35ef1)"),
        (kernel("a/hw1.ipynb"), "hw1 (ada)"),
        (kernel("a/hw1.ipynb", user="token:kernel"), "hw1"),
        (kernel(user="token:kernel"), "hw1 (token:kernel)"),
        (kernel("a/hw1.ipynb", user="token:kernel", name="root"), "root (token:kernel)"),
        (Sender("token:kernel", "script", "hw1", "m", "a/hw1.ipynb"), "hw1 (token:kernel)"),
        (Sender("token:server", "browser", "root", "m"), "root (token:server)"),
        (Member("m", "ada", "script", "fetch"), "fetch (ada)"),
    ],
)
def test_a_name_never_hides_the_user(who: Sender | Member, name: str) -> None:
    assert called(who, you="eve") == called(who) == [name]


def test_ones_own_user_is_you() -> None:
    mine = Sender("ada", "browser", "Ada", "m"), kernel(), Sender("ada", "script", "ada", "m")
    assert called(*mine, Sender("bob", "script", "ada", "m"), you="ada") == [
        "Ada (you)", "hw1 (you)", "ada (you)", "ada (bob)",
    ]  # fmt: skip


@pytest.mark.parametrize("user", ["token:kernel", "token:server", "anonymous"])
def test_a_path_shared_by_several_users_belongs_to_none_of_them(user: str) -> None:
    assert called(Sender(user, "script", "fetch", "m"), you=user) == [f"fetch ({user})"]


@pytest.mark.parametrize(
    ("who", "text"),
    [
        (kernel("a/hw1.ipynb"), "hw1 · kernel · ada · a/hw1.ipynb"),
        (Sender("ada", "script", "ada", "m"), "script · ada"),
        (Sender("ada", "kernel", "n", "m", "a\u202e/n.ipynb"), "n · kernel · ada · a\ufffd/n.ipynb"),
    ],
)
def test_a_title_says_all_that_is_known(who: Sender, text: str) -> None:
    assert title(who) == text


@pytest.mark.parametrize(
    ("notebooks", "names"),
    [
        (["hw1.ipynb"], ["hw1"]),
        (["a/hw1.ipynb", "a/hw1.ipynb"], ["hw1", "hw1"]),
        (["a/hw1.ipynb", "b/hw1.ipynb"], ["a/hw1", "b/hw1"]),
        (["hw1.ipynb", "b/hw1.ipynb"], ["hw1", "b/hw1"]),
        (["x/a/hw1.ipynb", "y/a/hw1.ipynb", "b/hw1.ipynb"], ["x/a/hw1", "y/a/hw1", "b/hw1"]),
        (["a/hw1.ipynb", "b/a/hw1.ipynb"], ["a/hw1", "b/a/hw1"]),
        (["a/hw1.ipynb", "a/hw1.md", "b/hw1.py"], ["hw1.ipynb", "hw1.md", "b/hw1"]),
        (["a/hw1.ipynb", None], ["hw1", "hw1"]),
    ],
)
def test_notebooks_of_one_name_are_told_apart_by_their_folders(notebooks: list[str | None], names: list[str]) -> None:
    assert called(*map(kernel, notebooks), you="ada") == [f"{name} (you)" for name in names]


def test_a_name_that_a_kernel_was_given_stands_for_itself() -> None:
    assert called(kernel("a/hw1.ipynb", name="gpu"), kernel("b/hw1.ipynb")) == ["gpu (ada)", "hw1 (ada)"]


def test_it_is_told_when_others_are_called_otherwise_from_now_on() -> None:
    names = Names("ada")
    assert not names.add(kernel("a/hw1.ipynb"))
    assert names.of(kernel("a/hw1.ipynb")) == "hw1 (you)"
    assert not names.add(kernel("a/hw1.ipynb"))
    assert names.add(kernel("b/hw1.ipynb"))
    assert names.of(kernel("a/hw1.ipynb")) == "a/hw1 (you)"


def test_a_sender_with_a_hidden_path_is_shown_by_its_name_in_presence() -> None:
    names = Names("ada", [Member(n, "ada", "kernel", "hw1", notebook=f"{n}/hw1.ipynb") for n in "ab"])
    assert names.of(Sender("ada", "kernel", "hw1", "a")) == "a/hw1 (you)"
    assert names.of(Sender("ada", "kernel", "hw1", "c")) == "hw1 (you)"


def test_the_number_of_remembered_ids_is_bounded() -> None:
    names = Names()
    for number in range(1_200):
        names.add(kernel(f"{number}/hw1.ipynb"))
        names.add(kernel(f"a/n{number}.ipynb", name=f"n{number}"))
    assert len(names._notebooks) == len(names._members) == 1_000
    assert max(map(len, names._notebooks.values())) <= 1_000


def test_any_path_is_made_displayable() -> None:
    people = kernel("a\u202e/hw1.ipynb"), kernel("b\n/hw1.ipynb")
    assert called(*people) == ["a\ufffd/hw1 (ada)", "b\ufffd/hw1 (ada)"]
    assert called(Sender("a\nb", "script", "n", "m")) == ["n (a\ufffdb)"]


@pytest.mark.parametrize(
    ("fields", "sender"),
    [
        ({"user": "u", "kind": "kernel", "member": "m"}, Sender("u", "kernel", "u", "m")),
        ({"user": "u", "kind": "client", "member": "m"}, Sender("u", "script", "u", "m")),
        (
            {"user": "u", "kind": "kernel", "name": "n", "member": "m", "notebook": "a/n.ipynb"},
            Sender("u", "kernel", "n", "m", "a/n.ipynb"),
        ),
        ({"kind": "hub"}, Sender("", "hub", "", "")),
    ],
)
def test_a_sender_has_the_fields_of_the_wire_and_in_an_old_log_only_its_user(
    fields: dict[str, Any], sender: Sender
) -> None:
    assert sender_of(fields) == sender
