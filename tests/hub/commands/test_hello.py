from __future__ import annotations

from typing import Any

import pytest
from support.members import Refused

from jupyter_rtmsg.hub import Claim, ProvenKernel


async def proof_of(claim: Claim) -> ProvenKernel | None:
    return ProvenKernel(claim.kernel, "a/train.ipynb") if claim.proof == "of " + claim.socket_id else None


async def test_hello_returns_the_user_and_the_hubs_id(hub: Any) -> None:
    hub.hub.core.base, hub.hub.core.version = "/user/ann/", "9.9"
    member = await hub.connect(user="ann", name="Ann B.")
    reply = await member.call("hello", {})
    assert (reply["user"], reply["kind"], reply["name"]) == ("ann", "script", "Ann B.")
    assert (reply["base"], reply["version"], reply["durable"]) == ("/user/ann/", "9.9", hub.log.durable)
    assert reply["member"] == (await member.join())["member"]
    assert not {"notebook", "warning", "refused"} & set(reply)


async def test_the_name_is_never_empty(hub: Any) -> None:
    assert (await (await hub.connect(user="ann")).call("hello", {}))["name"] == "ann"


async def test_a_warning_about_the_log_is_told(hub: Any) -> None:
    hub.log.warning = "kept in memory"
    assert (await (await hub.connect()).call("hello", {}))["warning"] == "kept in memory"


async def test_a_kernel_proves_itself_with_hello(hub: Any) -> None:
    hub.hub.core.prove = proof_of
    member = await hub.connect(user="ann")
    reply = await member.call("hello", kernel="k1", proof="of " + member.id, process="p1")
    assert (reply["kind"], reply["notebook"], reply["name"]) == ("kernel", "a/train.ipynb", "train")


async def test_a_proof_that_fails_leaves_a_script_and_says_so(hub: Any) -> None:
    hub.hub.core.prove = proof_of
    member = await hub.connect(user="ann")
    reply = await member.call("hello", kernel="k1", proof="wrong", process="p1")
    assert reply["kind"] == "script"
    assert "no kernel 'k1' of this server" in reply["refused"]
    assert "as" not in await member.join()


async def test_a_hub_tells_whether_another_client_of_the_same_user_is_connected_to_it(hub: Any) -> None:
    ann = await hub.connect(user="ann", client="c1")
    other, bob = await hub.connect(user="ann", client="c2"), await hub.connect(user="bob", client="c3")
    assert (await other.call("hello", beside="c1"))["beside"] is True
    assert (await bob.call("hello", beside="c1"))["beside"] is False
    assert (await other.call("hello", beside="c4"))["beside"] is False
    await ann.close()
    while (await other.call("hello", beside="c1"))["beside"]:
        pass


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"process": ""}, "bad_request"),
        ({"process": 1}, "bad_request"),
        ({"process": "x" * 257}, "limit"),
        ({"kernel": 1, "proof": "x"}, "bad_request"),
        ({"kernel": "k1"}, "bad_request"),
    ],
)
async def test_a_wrong_hello_is_refused_by_name(hub: Any, request_: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        await (await hub.connect()).call("hello", request_)
    assert refused.value.code == code


async def test_the_hubs_id_stays_with_the_file_and_is_another_in_memory(start: Any, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    ids = []
    for where in (url, url, "memory:", "memory:"):
        running = await start(url=where)
        ids.append((await (await running.connect()).call("hello", {}))["hub"])
        await running.close()
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert all(ids)
