"""A page of JupyterLab with our panel, as a user sees it."""

from __future__ import annotations

import re
from uuid import uuid4

from playwright.sync_api import Error, Locator, Page, expect
from support.jupyter import JupyterServer

from browser.wire import Wire

READY = """() => {
    const { commands, shell } = window.jupyterapp;
    const kernel = shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.status === 'idle' && commands.isEnabled('notebook:run-all-cells');
}"""

# Nobody is asked whether a notebook is to be saved. Where nothing is left, JupyterLab opens its launcher.
CLOSE_DOCUMENTS = """but => {
    for (const widget of [...window.jupyterapp.shell.widgets('main')]) {
        if (but && widget.context?.path === but)
            continue;
        if (widget.context?.model)
            widget.context.model.dirty = false;
        widget.close();
    }
}"""

expect.set_options(timeout=30_000)


class LabPage:
    """What the tests do with a page.

    Parameters
    ----------
    page : Page
        A new one.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wire = Wire(page)
        self.failures: list[str] = []
        """What our scripts did not catch."""
        self._shown: JupyterServer | None = None
        page.set_default_timeout(30_000)
        page.on("pageerror", self._failed)
        # JupyterLab's own word about a server that is down would lie over everything.
        dialog = page.get_by_role("dialog", name="Server Connection Error")
        page.add_locator_handler(dialog, lambda: dialog.get_by_role("button").last.click())

    @property
    def panel(self) -> Locator:
        return self.page.locator("#jp-rtmsg-panel")

    @property
    def state(self) -> Locator:
        return self.panel.locator("header").get_by_role("status")

    @property
    def rooms(self) -> Locator:
        return self.panel.get_by_role("region", name="Rooms", exact=True)

    @property
    def events(self) -> Locator:
        """The lines of the room that is shown."""
        return self.panel.get_by_role("log").locator(".jp-RtmsgRoomView-event")

    @property
    def members(self) -> Locator:
        return self.panel.get_by_role("list", name="Members")

    @property
    def event_field(self) -> Locator:
        return self.panel.get_by_label("Event", exact=True)

    @property
    def data_field(self) -> Locator:
        return self.panel.get_by_label("Data (JSON)")

    @property
    def emit_button(self) -> Locator:
        return self.panel.get_by_role("button", name="Emit", exact=True)

    def _failed(self, error: Error) -> None:
        # JupyterLab's own requests fail as well while a server is down.
        if "/extensions/jupyter-rtmsg/" in (error.stack or ""):
            self.failures.append(f"{error.message}\n{error.stack}")

    def open(self, lab: JupyterServer, path: str = "", *, panel: bool = True) -> LabPage:
        """Have JupyterLab seen, with a notebook if `path` names one and no other document, and the panel.

        The page is loaded only if it does not show this JupyterLab already, which takes ten seconds of a processor.
        """
        if self._shown is not lab:
            return self.load(lab, path, panel=panel)
        self.page.evaluate(CLOSE_DOCUMENTS)
        expect(self.page.locator(".jp-Notebook")).to_have_count(0)
        if path:
            self.command("docmanager:open", path=path)
            self.page.evaluate(CLOSE_DOCUMENTS, path)
        return self._seen(path, panel)

    def load(self, lab: JupyterServer, path: str = "", *, panel: bool = True) -> LabPage:
        """Load the page, as `open` does where it is new."""
        # A workspace of its own: JupyterLab restores what was open in the default one.
        tree = f"/tree/{path}" if path else ""
        self.wire.forget()
        self.page.goto(f"{lab.url}lab/workspaces/{uuid4().hex}{tree}?reset&token={lab.token}")
        self.page.wait_for_function("window.jupyterapp?.restored.then(() => true)", timeout=60_000)
        self._shown = lab
        return self._seen(path, panel)

    def _seen(self, path: str, panel: bool) -> LabPage:
        # What JupyterLab opens at first takes the focus; nothing may be typed before.
        expect(self.page.locator(".jp-Notebook" if path else ".jp-LauncherCard").first).to_be_visible(timeout=60_000)
        if panel:
            self.show()
        return self

    def show(self) -> None:
        """Have the panel seen."""
        self.command("rtmsg:open")
        expect(self.panel).to_be_visible()

    def hide(self) -> None:
        """Fold the side bar with the panel away."""
        self.command("application:toggle-right-area")
        expect(self.panel).not_to_be_visible()

    def command(self, name: str, **arguments: object) -> None:
        """Run one of JupyterLab's commands."""
        self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])

    def run_all_cells(self) -> None:
        """Run the cells of the notebook that is open."""
        # JupyterLab's command does nothing, in silence, while the notebook has no kernel or is not the current widget.
        self.page.locator(".jp-Notebook .jp-Cell").first.click()
        self.page.wait_for_function(READY, timeout=60_000)
        self.command("notebook:run-all-cells")
        expect(self.page.locator(".jp-InputPrompt").first).to_have_text(re.compile(r"\[[\d*]"), timeout=60_000)

    def join(self, room: str) -> None:
        """Join a room by its name."""
        self.panel.get_by_label("Room to join").fill(room)
        self.panel.get_by_role("button", name="Join", exact=True).click()
        expect(self.panel.get_by_role("log", name=f"Events of {room}")).to_be_visible()

    def emit(self, event: str, data: str = "") -> None:
        """Emit an event to the room that is shown; `data` is JSON."""
        self.event_field.fill(event)
        self.data_field.fill(data)
        self.emit_button.click()
