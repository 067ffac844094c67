from __future__ import annotations

import pytest

from jupyter_rtmsg.extension.gateway import Environment, is_named_after


@pytest.mark.parametrize(
    ("name", "yes"), [("ab-12", True), ("ab-12_x1y2z3", True), ("ab-123", False), ("ab-1", False), ("x-ab-12", False)]
)
def test_a_connection_file_is_named_by_its_kernel(name: str, yes: bool) -> None:
    assert is_named_after(name, "ab-12") is yes


def test_variables_for_a_kernel_do_not_show_in_logs() -> None:
    variables = Environment({"RTMSG_TOKEN": "secret"})
    assert f"{ {'env': variables} }" == "{'env': <1 variables>}"
    assert dict(variables) == {"RTMSG_TOKEN": "secret"}
