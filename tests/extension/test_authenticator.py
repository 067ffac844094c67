from __future__ import annotations

from typing import Any

import pytest

from jupyter_rtmsg.extension.authenticator import Authenticator

PAGE = {"Host": "here.org:8888"}


@pytest.mark.parametrize(
    ("settings", "headers", "trusted"),
    [
        ({}, PAGE, True),
        ({}, {**PAGE, "Origin": "http://here.org:8888"}, True),
        ({}, {**PAGE, "Origin": "HTTP://HERE.org:8888"}, True),
        ({}, {**PAGE, "Origin": "http://here.org"}, False),
        ({}, {**PAGE, "Origin": "http://evil.org"}, False),
        ({}, {**PAGE, "Origin": "http://here.org:8888.evil.org"}, False),
        ({}, {**PAGE, "Origin": "http://evil.org/here.org:8888"}, False),
        ({}, {**PAGE, "Origin": "null"}, False),
        ({}, {**PAGE, "Origin": ""}, False),
        ({"allow_origin": "*"}, {**PAGE, "Origin": "http://evil.org"}, False),
        ({"allow_origin": "http://good.org"}, {**PAGE, "Origin": "http://good.org"}, True),
        ({"allow_origin": "http://good.org"}, {**PAGE, "Origin": "http://evil.org"}, False),
        ({"allow_origin_pat": r"https://.*\.good\.org"}, {**PAGE, "Origin": "https://a.good.org"}, True),
        ({"allow_origin_pat": r"https://.*\.good\.org"}, {**PAGE, "Origin": "https://a.good.org.evil.org"}, False),
    ],
)
def test_the_servers_own_pages_scripts_and_origins_allowed_by_name_are_trusted(
    settings: dict[str, Any], headers: dict[str, str], trusted: bool
) -> None:
    assert Authenticator(settings, "secret").trusts(headers) is trusted


@pytest.mark.parametrize(("only", "hub", "owner"), [("ann", None, "ann"), (None, "bob", "bob"), (None, None, None)])
def test_a_server_belongs_to_its_only_user_or_to_that_of_jupyterhub(
    monkeypatch: pytest.MonkeyPatch, only: str | None, hub: str | None, owner: str | None
) -> None:
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    if hub:
        monkeypatch.setenv("JUPYTERHUB_USER", hub)
    assert Authenticator({}, "secret", lambda: only).owner == owner
