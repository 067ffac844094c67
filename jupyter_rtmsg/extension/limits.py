"""The limits of docs/wire.md as traits, which operators set."""

from __future__ import annotations

from typing import Any

from traitlets import Float, HasTraits, Integer

from ..hub import Limits

_DEFAULT = Limits()


class LimitTraits(HasTraits):
    """The hub's and the server's limits."""

    max_payload = Integer(_DEFAULT.message, help="Bytes of the largest message.").tag(config=True)
    max_attachments = Integer(_DEFAULT.attachments, help="Binary attachments of one event.").tag(config=True)
    max_depth = Integer(
        _DEFAULT.depth, min=1, max=_DEFAULT.depth, help="How deep the JSON of an event may be nested."
    ).tag(config=True)
    max_rooms = Integer(_DEFAULT.rooms, help="The number of rooms in all.").tag(config=True)
    max_rooms_per_user = Integer(
        _DEFAULT.rooms_per_user,
        min=0,
        help="Rooms that one user may have made; 0: a tenth of max_rooms. The user whose server it is may make all.",
    ).tag(config=True)
    max_rooms_per_connection = Integer(
        _DEFAULT.rooms_per_connection, help="Rooms that one connection may have joined at once."
    ).tag(config=True)
    max_connections_per_user = Integer(
        _DEFAULT.connections_per_user, help="Connections of one user, all kernels of a server together being one user."
    ).tag(config=True)
    max_subscriptions = Integer(
        _DEFAULT.subscriptions,
        min=1,
        help="Subscriptions of one user, in all rooms together; one more ends the one that was idle longest.",
    ).tag(config=True)
    max_subscription_age = Float(
        _DEFAULT.subscription_age,
        min=0,
        help="Seconds after which an unused subscription ends (default: 30 days); 0: never.",
    ).tag(config=True)
    publish_rate = Float(_DEFAULT.publish_rate, help="Events a second that one connection may publish.").tag(
        config=True
    )
    publish_burst = Float(_DEFAULT.publish_burst, help="Events that it may publish at once.").tag(config=True)
    command_rate = Float(
        _DEFAULT.command_rate, help="Units of work a second that one user may ask for; a small publish is one."
    ).tag(config=True)
    command_burst = Float(_DEFAULT.command_burst, help="Units that one user may ask for at once.").tag(config=True)
    max_queue = Integer(
        8 << 20,
        help="Bytes of the largest packet, and bytes that may wait for one connection. If more wait at two checks "
        "a second apart, the connection is closed; the client reconnects and catches up.",
    ).tag(config=True)
    max_memory = Integer(
        256 << 20,
        help="Bytes that may wait for all connections; above it, who holds most loses the largest one.",
    ).tag(config=True)

    def hub_limits(self) -> Limits:
        """Return the limits of the hub."""
        return Limits(
            message=self.max_payload,
            attachments=self.max_attachments,
            depth=self.max_depth,
            rooms=self.max_rooms,
            rooms_per_user=self.max_rooms_per_user,
            rooms_per_connection=self.max_rooms_per_connection,
            connections_per_user=self.max_connections_per_user,
            subscriptions=self.max_subscriptions,
            subscription_age=self.max_subscription_age,
            publish_rate=self.publish_rate,
            publish_burst=self.publish_burst,
            command_rate=self.command_rate,
            command_burst=self.command_burst,
        )

    def server_limits(self) -> dict[str, Any]:
        """Return the limits of the server, as keyword arguments of `Server`."""
        return {"max_payload": self.max_payload, "max_queue": self.max_queue, "max_memory": self.max_memory}
