"""What the hub tells its surroundings: which connections work."""

from __future__ import annotations

from typing import Protocol

from .connection import Connection


class Activity(Protocol):
    """Learns of work that is done through the hub. Called for every publish, so it must return at once."""

    def published(self, connection: Connection) -> None:
        """A connection has published an event: it is stored, or was handed to the members if it is volatile."""

    def acknowledged(self, connection: Connection) -> None:
        """The handlers of a connection have handled events that its subscription had not yet seen."""


class Unobserved:
    """The default: nobody asks what connections do."""

    def published(self, connection: Connection) -> None:
        """Do nothing."""

    def acknowledged(self, connection: Connection) -> None:
        """Do nothing."""
