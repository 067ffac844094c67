from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.hub import Limits, ProvenKernel
from jupyter_rtmsg.hub.identity import Identity, identify
from jupyter_rtmsg.hub.names import SubscriptionName


@dataclass
class Handshake:
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Peer:
    """The attributes of a socket that `identify` uses."""

    id: str = "s1"
    user: Any = None
    auth: dict[str, Any] = field(default_factory=dict)
    handshake: Handshake = field(default_factory=Handshake)


@dataclass
class User:
    """A user as Jupyter describes it."""

    username: str
    display_name: str = ""


def who(**fields: Any) -> Identity:
    return identify(Peer(**fields), Limits())


@pytest.mark.parametrize(("user", "principal"), [(None, "anonymous"), ("ann", "ann"), (User("bob"), "bob")])
def test_the_principal_is_the_authenticated_user(user: Any, principal: str) -> None:
    assert who(user=user).principal == principal


def test_a_client_with_an_origin_is_a_browser() -> None:
    assert who(handshake=Handshake({"Origin": "http://x"})).kind == "browser"
    assert who().kind == "script"


def test_a_client_is_one_member_on_all_its_connections_and_no_other_client_is_that_member() -> None:
    same = {who(user="ann", auth={"client": "c1"}, id=id).member for id in ("s1", "s2")}
    assert len(same) == 1
    assert who(user="bob", auth={"client": "c1"}).member not in same
    assert who(user="ann", auth={"client": "c2"}).member not in same


def test_without_a_client_each_connection_is_a_member_of_its_own() -> None:
    assert who(id="s1").member != who(id="s2").member


def test_no_field_that_a_client_sends_changes_its_identity() -> None:
    said = {"user": "root", "principal": "root", "member": "m", "notebook": "x.ipynb", "name": "n"}
    identity = who(user="ann", auth=said)
    assert (identity.principal, identity.kind, identity.notebook, identity.name) == ("ann", "script", None, "n")


@pytest.mark.parametrize(
    "auth",
    [
        {"client": 1},
        {"client": "x" * 257},
        {"name": ["a"]},
        {"name": "x" * 65},
        {"name": "a\nb"},
        {"name": "a\u202egnp.exe"},
        {"name": "a\u200bb"},
        {"name": "a\u2028b"},
        {"name": "\x00"},
        {"name": "  "},
        {"name": "\u3164\u2800"},
        {"kind": "kernel"},
        {"kind": ["agent"]},
        {"kind": "x" * 1000},
    ],
)
def test_a_field_about_itself_that_cannot_be_shown_is_refused(auth: dict[str, Any]) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        who(auth=auth)
    assert refused.value.data == {"code": "bad_request"}


def test_a_proved_kernel_is_named_and_subscribed_after_its_notebook() -> None:
    proved = who(user="ann").proved(ProvenKernel("k1", "lab/train.ipynb"))
    assert (proved.kind, proved.name, proved.notebook) == ("kernel", "train", "lab/train.ipynb")
    assert proved.subscription == SubscriptionName.of_notebook("lab/train.ipynb", "lab/train.ipynb")
    sender = {"user": "ann", "kind": "kernel", "name": "train", "member": proved.member}
    assert json.loads(proved.sender) == sender
    proved = who(user="ann").proved(ProvenKernel("k1", "lab/train.ipynb", public=True))
    assert json.loads(proved.sender) == sender | {"notebook": "lab/train.ipynb"}


def test_a_proved_kernel_keeps_the_name_that_it_gave() -> None:
    assert who(auth={"name": "gpu"}).proved(ProvenKernel("k1", "train.ipynb")).name == "gpu"


def test_a_kernel_without_a_notebook_has_no_subscription_of_its_own() -> None:
    proved = who().proved(ProvenKernel("k1"))
    assert (proved.subscription, proved.notebook, proved.name) == (None, None, "anonymous")


def test_a_notebook_is_the_same_under_every_root_and_another_file_is_another() -> None:
    one, again, other = (
        who().proved(ProvenKernel("k1", label, path)).subscription
        for label, path in (("a.ipynb", "/r/a.ipynb"), ("r/a.ipynb", "/r/a.ipynb"), ("a.ipynb", "/s/a.ipynb"))
    )
    assert one
    assert again
    assert other
    assert (one.key == again.key, one.key == other.key) == (True, False)
    assert (one.label, again.label) == ("a.ipynb", "r/a.ipynb")


@pytest.mark.parametrize(
    ("other", "beside"),
    [
        ({"client": "c2"}, True),
        ({"client": None}, True),
        ({"client": "c1"}, False),  # a reconnect
        ({"client": "c2", "process": "p2"}, False),  # a kernel that was restarted
        ({"client": "c2", "process": None}, False),
        ({"client": "c2", "kernel": "k2"}, False),
        ({"client": "c2", "kernel": None}, False),
    ],
)
def test_a_second_client_of_one_running_kernel_is_beside_the_first(other: dict[str, Any], beside: bool) -> None:
    first = replace(who(user="ann"), client="c1", kernel="k1", process="p1")
    assert replace(first, **other).is_beside(first) is beside


def test_a_renamed_notebook_takes_its_name_and_subscription_along() -> None:
    renamed = (
        who().proved(ProvenKernel("k1", "a/train.ipynb", "/r/a/train.ipynb")).renamed("/r/b/fit.ipynb", "b/fit.ipynb")
    )
    assert (renamed.notebook, renamed.name) == ("b/fit.ipynb", "fit")
    assert renamed.subscription == SubscriptionName.of_notebook("/r/b/fit.ipynb", "b/fit.ipynb")


def test_a_person_is_called_as_the_server_knows_it_and_a_script_as_it_calls_itself() -> None:
    page, ann = Handshake({"Origin": "http://x"}), User("u1234", "Ann Onymous")
    assert who(user=ann, handshake=page, auth={"name": "root"}).name == "Ann Onymous"
    assert who(user=ann, auth={"name": "backup"}).name == "backup"
    assert who(user=ann).name == "u1234"
    assert who(user=User("u1234"), handshake=page, auth={"name": " Ann "}).name == "Ann"
    assert who(user=User("u1234"), handshake=page, auth={"name": ""}).name == "u1234"


def test_the_names_that_the_server_has_of_a_person_are_made_displayable() -> None:
    page = Handshake({"Origin": "http://x"})
    assert who(user=User("u", "Ann\u202e\n"), handshake=page).name == "Ann\ufffd\ufffd"
    assert who(user=User("u", "\u3164 "), handshake=page).name == "u"
    assert who(user=User("u", "x" * 65), handshake=page).name == "x" * 63 + "\N{HORIZONTAL ELLIPSIS}"


def test_a_script_may_say_that_it_is_an_agent_and_a_browser_or_a_kernel_may_not() -> None:
    agent = {"kind": "agent"}
    assert who(auth=agent).kind == "agent"
    assert who(auth=agent, handshake=Handshake({"Origin": "http://x"})).kind == "browser"
    assert who(auth=agent).proved(ProvenKernel("k1", "a.ipynb")).kind == "kernel"


def test_a_name_that_a_client_gave_stays_when_its_notebook_is_renamed() -> None:
    assert (
        who(auth={"name": "gpu"}).proved(ProvenKernel("k1", "a.ipynb")).renamed("/r/b.ipynb", "b.ipynb").name == "gpu"
    )


def test_a_kernel_that_proves_itself_again_is_called_by_its_notebook_of_now() -> None:
    proved = who(user="ann").proved(ProvenKernel("k1", "a.ipynb"))
    assert proved.proved(ProvenKernel("k1", "b.ipynb")).name == "b"
    assert proved.proved(ProvenKernel("k1")).name == "ann"


@pytest.mark.parametrize("path", ["/".join(["x" * 200] * 6) + "/hw1.ipynb", "\1" * 200 + "/hw1.ipynb"])
def test_a_path_that_would_fill_the_envelope_stays_out_of_events(path: str) -> None:
    sender = json.loads(who().proved(ProvenKernel("k1", path, public=True)).sender)
    assert (sender["name"], "notebook" in sender) == ("hw1", False)


def test_a_kernel_of_a_user_with_a_long_name_is_called_by_its_notebook() -> None:
    long = who(user="https://login.example.org/realms/university/users/" + "x" * 50)
    assert len(long.name) == 64
    assert long.proved(ProvenKernel("k1", "train.ipynb")).name == "train"
    assert long.proved(ProvenKernel("k1")).name == long.name


def test_a_notebook_without_a_visible_name_is_called_by_its_user() -> None:
    assert who(user="ann").proved(ProvenKernel("k1", "a/\u3164.ipynb")).name == "ann"


def test_the_file_name_of_a_notebook_cannot_turn_the_text_around() -> None:
    assert who().proved(ProvenKernel("k1", "a/x\u202ebpyni.txt.ipynb")).name == "x\ufffdbpyni.txt"
