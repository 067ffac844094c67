"""The dashboard of a hub: a widget with all rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .views import View, widgets

if TYPE_CHECKING:
    from .sync import Client


def dashboard(client: Client | None = None) -> View:
    """Return a widget that shows all rooms: events a second, lag, members and dead letters.

    Parameters
    ----------
    client : Client, optional
        The client of `connect` by default.

    Examples
    --------
    >>> rt.dashboard()
    """
    made: View = widgets("dashboard").Dashboard(client)
    return made
