from __future__ import annotations

from typing import Any

import pytest
from jupyter_server.auth import IdentityProvider, PasswordIdentityProvider, User
from jupyter_server.auth.identity import LegacyIdentityProvider
from jupyter_server.auth.login import LoginFormHandler

from jupyter_rtmsg.extension.single_user import account, knows_nobody


class Renamed(PasswordIdentityProvider):
    """It has settings of its own, and knows nobody."""


class Directory(PasswordIdentityProvider):
    def process_login_form(self, handler: Any) -> User | None:
        return User("ada")


class Header(IdentityProvider):
    async def get_user_token(self, handler: Any) -> User | None:
        return User("ada")


class Session(IdentityProvider):
    def get_user_cookie(self, handler: Any) -> User | None:
        return User("ada")


class Proxy(IdentityProvider):
    def get_user(self, handler: Any) -> User | None:
        return User("ada")


class OwnForm(LoginFormHandler):
    """It may log in whom it likes."""


@pytest.mark.parametrize("provider", [IdentityProvider(), PasswordIdentityProvider(), Renamed()])
def test_a_provider_of_one_secret_knows_nobody(provider: IdentityProvider) -> None:
    assert knows_nobody(provider)


@pytest.mark.parametrize(
    "provider",
    [
        Directory(),
        Header(),
        Session(),
        Proxy(),
        LegacyIdentityProvider(),
        IdentityProvider(login_handler_class=OwnForm),
    ],
)
def test_a_provider_that_tells_people_apart_knows_somebody(provider: IdentityProvider) -> None:
    assert not knows_nobody(provider)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"LOGNAME": "ada"}, "ada"),
        ({"LOGNAME": "ada", "JUPYTERHUB_USER": "ada@example.org"}, "ada@example.org"),
        ({"LOGNAME": "a\u202eda"}, "a\ufffdda"),
        ({"LOGNAME": "  "}, "owner"),
    ],
)
def test_the_account_has_a_name_that_can_be_shown(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], name: str
) -> None:
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert account() == name
