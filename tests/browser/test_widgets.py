"""The widgets in a real JupyterLab: a form while its kernel does not answer."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect
from support.jupyter import JupyterServer

import jupyter_rtmsg as rt
import jupyter_rtmsg.widgets
from browser.labpage import LabPage

STATIC = Path(jupyter_rtmsg.widgets.__file__).parent / "static"
SILENT_KERNEL = """async ([source, hub]) => {
    const traits = {room_name: 'direct', hub, event: 'metric', state: 'connected', problem: ''};
    window.sent = [];
    const model = {get: name => traits[name], send: message => sent.push(message), on() {}, off() {}};
    const module = await import(URL.createObjectURL(new Blob([source], {type: 'text/javascript'})));
    const widget = module.default();
    await widget.initialize({model});
    const el = document.createElement('div');
    el.style = 'position: fixed; inset: 0; z-index: 10000';
    document.body.append(el);
    await widget.render({model, el});
}"""


def test_a_page_of_the_hub_emits_for_a_kernel_that_does_not_answer(lab: JupyterServer, new_page: LabPage) -> None:
    page = new_page.open(lab, panel=False)
    with rt.Client(lab.url, lab.token) as client:
        assert client.hello
        room = client.join("direct")
        page.page.evaluate(SILENT_KERNEL, [(STATIC / "form.js").read_text(), client.hello.hub])
        form = page.page.get_by_role("region", name="Emit to direct")
        form.get_by_label(re.compile("^Data")).fill("12345678901234567890")
        form.get_by_role("button", name=re.compile("^Emit")).click()
        expect(form).to_contain_text("The kernel is busy: this page sent it, as")
        [event] = room.history()
        assert (event.data, event.sender.kind) == (12345678901234567890, "browser")
        assert page.page.evaluate("window.sent.map(message => message.kind)") == ["ready"]
