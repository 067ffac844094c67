"""A widget's trait that two notebooks share: real kernels of a real Jupyter server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.jupyter import JupyterServer, wait_until

SHARE = """
import json
import time

import ipywidgets
import jupyter_rtmsg as rt

hub = rt.connect()
slider = ipywidgets.IntSlider(max=1000)
hub.shared(slider, "value", room="lab")
"""
DRAG = """
for step in range(1, 40):
    slider.value = {base} + step
    time.sleep(0.01)
"""


def value(server: JupyterServer, kernel: str) -> Any:
    """Return the value of the slider in a kernel."""
    return json.loads(server.execute(kernel, "print(json.dumps(slider.value))").text)


@pytest.mark.timeout(300)
def test_a_slider_is_equal_in_two_kernels_also_when_one_was_restarted(tmp_path: Path) -> None:
    with JupyterServer(tmp_path) as server:
        first, second = server.start_kernel("one.ipynb"), server.start_kernel("two.ipynb")
        for kernel in (first, second):
            server.execute(kernel, SHARE)
        server.execute(first, "slider.value = 7")
        wait_until(lambda: value(server, second) == 7, "the other kernel has the value")

        # Dragged faster than changes are sent, in one kernel and then in the other: both end with the last value.
        for kernel, base in ((first, 100), (second, 500)):
            server.execute(kernel, DRAG.format(base=base))
            last = base + 39
            wait_until(lambda: value(server, first) == value(server, second) == last, "both have the value")  # noqa: B023

        third = server.start_kernel("three.ipynb")  # as after a restart: it takes the value of the others
        server.execute(third, SHARE)
        wait_until(lambda: value(server, third) == 539, "the third kernel has it, too")
        assert value(server, first) == value(server, second) == 539
