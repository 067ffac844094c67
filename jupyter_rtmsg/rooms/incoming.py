"""What the hub sends: events and notices, handed to the rooms that they are for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_rtmsg.errors import CommandError

from .membership import Membership

_log = logging.getLogger("jupyter_rtmsg")


class Incoming:
    """Hands out what a connection brings. Runs on the I/O loop.

    Parameters
    ----------
    memberships : mapping
        The rooms of the client, by name; it changes.
    log_changed : callable
        Called with what the hub says of its log.
    renamed : callable
        Called with the old and the new path of the notebook whose kernel this is.
    """

    def __init__(
        self,
        memberships: Mapping[str, Membership],
        log_changed: Callable[[Mapping[str, Any]], None],
        renamed: Callable[[str, str], None],
    ) -> None:
        self._memberships = memberships
        self._log_changed = log_changed
        self._renamed = renamed
        self._touched: set[Membership] = set()

    def route(self, args: list[Any], size: int) -> bool:
        """Hand an event of a room to it; tell whether it was one."""
        if len(args) >= 3 and type(args[2]) is dict:
            membership = self._memberships.get(args[2].get("room", ""))
            if membership:
                membership.live(args, size)
                self._touched.add(membership)
                return True
        return self._notice(args)

    def skip(self, args: Any) -> None:
        """Have a room go on behind an event whose data cannot be read."""
        if type(args) is list and len(args) >= 3 and type(args[2]) is dict:
            membership = self._memberships.get(args[2].get("room", ""))
            if membership:
                membership.skip(args)
                self._touched.add(membership)

    def end_batch(self) -> None:
        """Have the rooms look at what came in one read of the connection."""
        touched, self._touched = self._touched, set()
        for membership in touched:
            membership.look()

    def _notice(self, args: list[Any]) -> bool:
        name = args[0]
        data = args[1] if len(args) > 1 and type(args[1]) is dict else None
        if data is None or type(name) is not str or not name.startswith("$"):
            return False
        if name == "$renamed":
            self._renamed(str(data.get("old")), str(data.get("notebook")))
            return True
        if name == "$log":
            self._log_changed(data)
            for each in tuple(self._memberships.values()):
                each.resumption.opened(data)
                self._touched.add(each)
            return True
        if name == "$error":
            _log.warning("the hub refused %s: %s (%s)", data.get("command"), data.get("message"), data.get("code"))
            self._refused(data)
            return True
        membership = self._memberships.get(data.get("room", ""))
        if membership:
            membership.notice(name, data)
            self._touched.add(membership)
        return membership is not None

    def _refused(self, data: Mapping[str, Any]) -> None:
        """End the membership in a room whose events this client may not read any more."""
        membership = self._memberships.get(data.get("room", ""))
        if membership and data.get("command") == "join":
            membership.refused(CommandError.of(str(data.get("code")), str(data.get("message"))))
