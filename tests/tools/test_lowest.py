"""The lowest versions that the tests are run with."""

from __future__ import annotations

import pytest
from lowest import constraints


def test_each_dependency_is_held_at_its_floor() -> None:
    assert constraints(["tornado>=6.5.6", "jupyterlab>=4.4.8,<5", "h11 >= 0.16"]) == [
        "tornado==6.5.6",
        "jupyterlab==4.4.8",
        "h11==0.16",
    ]


def test_a_dependency_without_a_floor_is_an_error() -> None:
    with pytest.raises(ValueError, match="'tornado' has no lowest version"):
        constraints(["tornado"])
