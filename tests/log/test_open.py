from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from support.logs import draft, fill, follow, read_all, seqs, until

import jupyter_rtmsg.log.file as file_module
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.log.disk import filesystem_type


@pytest.mark.parametrize("url", ["", "redis://host", "sqlite:/path", "sqlite:///", "memory", "/path"])
async def test_an_unknown_url_is_refused_with_a_list_of_the_known(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not the URL of a log: use 'sqlite:////absolute/path'.*'memory:'"):
        await open_log(url)


async def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="max_evnts"):
        await open_log("memory:", max_evnts=3)


@pytest.mark.parametrize(
    ("option", "value"),
    [("max_events", 0), ("max_age", -1), ("max_bytes", 0), ("retained_keys", 0), ("durability", "none")],
)
async def test_an_option_out_of_range_is_refused_with_its_value(option: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{option} is {value!r}"):
        await open_log("memory:", **{option: value})


async def test_percent_signs_in_a_url_are_decoded(tmp_path: Path) -> None:
    log = await open_log(f"sqlite:///{tmp_path}/a%20name/log.sqlite3", ballast=0)
    await log.close()
    assert os.listdir(tmp_path) == ["a name"]


async def test_on_a_network_file_system_there_is_no_write_ahead_log_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = filesystem_type(tmp_path)
    monkeypatch.setattr(file_module, "NETWORK", {kind})
    log = await open_log(f"sqlite:///{tmp_path}/log.sqlite3", ballast=0)
    assert f"is on a network file system ({kind})" in (log.warning or "")
    assert "Choose a path on a local disk" in (log.warning or "")
    assert log.durable
    await fill(log, 300)
    assert len(await read_all(log)) == 300
    assert seqs(await follow(log, 290, 10)) == list(range(291, 301))
    assert not [each for each in os.listdir(tmp_path) if each.endswith("-wal")]
    await log.close()


async def test_a_connection_that_fails_once_serves_from_memory_until_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_rtmsg.log.moving.LOOK_AFTER", 0.01)
    connect, failures = file_module.connect, iter([sqlite3.OperationalError("unable to open database file")])

    def once(path: str) -> sqlite3.Connection:
        for error in failures:
            raise error
        return connect(path)

    monkeypatch.setattr(file_module, "connect", once)
    log = await open_log(f"sqlite:///{tmp_path}/log.sqlite3", ballast=0)
    assert not log.durable
    await log.append(draft(1))
    await until(lambda: log.durable)
    assert [record.data for record in await read_all(log)] == [b"1"]
    await log.close()
