from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.hub import Kernel, Limits
from jupyter_rtmsg.hub.identity import Identity, identify


@dataclass
class Handshake:
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Peer:
    """What `identify` looks at."""

    id: str = "s1"
    user: Any = None
    auth: dict[str, Any] = field(default_factory=dict)
    handshake: Handshake = field(default_factory=Handshake)


@dataclass
class User:
    """As Jupyter describes one."""

    username: str


def who(**fields: Any) -> Identity:
    return identify(Peer(**fields), Limits())


@pytest.mark.parametrize(("user", "principal"), [(None, "anonymous"), ("ann", "ann"), (User("bob"), "bob")])
def test_the_principal_is_the_authenticated_user(user: Any, principal: str) -> None:
    assert who(user=user).principal == principal


def test_whoever_comes_with_an_origin_is_a_browser() -> None:
    assert who(handshake=Handshake({"Origin": "http://x"})).kind == "browser"
    assert who().kind == "client"


def test_a_client_is_the_same_member_on_every_connection_and_nobody_elses() -> None:
    same = {who(user="ann", auth={"client": "c1"}, id=id).member for id in ("s1", "s2")}
    assert len(same) == 1
    assert who(user="bob", auth={"client": "c1"}).member not in same
    assert who(user="ann", auth={"client": "c2"}).member not in same


def test_without_a_client_each_connection_is_a_member_of_its_own() -> None:
    assert who(id="s1").member != who(id="s2").member


def test_what_a_client_says_cannot_change_who_it_is() -> None:
    said = {"user": "root", "principal": "root", "kind": "kernel", "member": "m", "notebook": "x.ipynb", "name": "n"}
    identity = who(user="ann", auth=said)
    assert (identity.principal, identity.kind, identity.notebook, identity.name) == ("ann", "client", None, "n")


@pytest.mark.parametrize("auth", [{"client": 1}, {"client": "x" * 257}, {"name": ["a"]}, {"name": "x" * 65}])
def test_a_client_or_name_of_the_wrong_kind_or_length_is_refused(auth: dict[str, Any]) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        who(auth=auth)
    assert refused.value.data == {"code": "bad_request"}


def test_a_proved_kernel_is_named_and_subscribed_after_its_notebook() -> None:
    proved = who(user="ann").proved(Kernel("k1", "lab/train.ipynb"))
    assert (proved.kind, proved.name, proved.subscription) == ("kernel", "train", "lab/train.ipynb")
    assert proved.sender == b'{"user":"ann","kind":"kernel","member":"%s"}' % proved.member.encode()


def test_a_proved_kernel_keeps_the_name_that_it_gave() -> None:
    assert who(auth={"name": "gpu"}).proved(Kernel("k1", "train.ipynb")).name == "gpu"


def test_a_kernel_without_a_notebook_is_subscribed_by_its_id() -> None:
    proved = who().proved(Kernel("k1"))
    assert (proved.subscription, proved.notebook, proved.name) == ("kernel:k1", None, "")


def test_a_renamed_notebook_takes_its_name_and_subscription_along() -> None:
    renamed = who().proved(Kernel("k1", "a/train.ipynb")).renamed("a/train.ipynb", "b/fit.ipynb")
    assert (renamed.notebook, renamed.name, renamed.subscription) == ("b/fit.ipynb", "fit", "b/fit.ipynb")
