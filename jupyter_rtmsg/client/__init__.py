"""A Socket.IO client, useful alone: it knows neither rooms nor hubs.

From the bottom up: `transport` (WebSocket and long-polling), `session` (Engine.IO), `connection` (reconnects, shared by
namespaces), `socket` with `sending` and `receiving` (Socket.IO), and `sync_socket` for code that does not await.
"""
