from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.jupyter import JupyterServer
from support.socketio_peer import connected

from jupyter_rtmsg.extension.app import RtmsgApp
from jupyter_rtmsg.extension.limits import LimitTraits

SETTINGS = sorted({*RtmsgApp.class_own_traits(config=True), *LimitTraits.class_own_traits(config=True)})
DOCS = (Path(__file__).parents[2] / "docs" / "jupyter.md").read_text()


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_a_help_text_and_is_in_the_docs_with_its_default(name: str) -> None:
    trait = getattr(RtmsgApp, name)
    assert len(trait.help) > 20
    row = re.search(rf"^\| `{name}` \| (.*?) \| .+ \|$", DOCS, re.MULTILINE)
    assert row, f"{name} is not in docs/jupyter.md"
    if isinstance(trait.default_value, int | float):
        assert float(row[1].split()[0]) == trait.default_value


def test_the_docs_name_no_setting_that_does_not_exist() -> None:
    section = DOCS.partition("## Settings")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == SETTINGS


def test_limits_that_are_set_reach_hub_and_server() -> None:
    app = RtmsgApp(max_payload=5, max_rooms=6, publish_rate=7, max_queue=8)
    assert (app.hub_limits().message, app.hub_limits().rooms, app.hub_limits().publish_rate) == (5, 6, 7)
    assert app.server_limits() == {"max_payload": 5, "max_queue": 8, "max_memory": 256 << 20}


def test_settings_are_read_from_jupyters_configuration(tmp_path: Path) -> None:
    config = {"RtmsgApp": {"max_depth": 3, "max_rooms_per_connection": 1, "ping_interval": 7.5}}
    with JupyterServer(tmp_path, config=config) as server, connected(server, auth={"token": server.token}) as peer:
        deep = peer.command("publish", room="lab", event="tick", data=[[[[1]]]])
        assert deep["error"]["code"] == "too_deep"
        assert peer.command("join", room="one")["ok"]
        assert peer.command("join", room="two")["error"]["code"] == "limit"
