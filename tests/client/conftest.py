"""Fixtures: hubs in processes of their own, and clients of them."""

from support.clients import client, hub_server, room_name, shared_hub

__all__ = ["client", "hub_server", "room_name", "shared_hub"]
