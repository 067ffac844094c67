"""The client for kernels and scripts: plain Socket.IO beneath, rooms with a memory on top.

Told from below: `transport` (HTTP upgrade, WebSocket), `session` (Engine.IO), `connection` (reconnects, shared by
namespaces), `socket` with `sending` and `receiving` (Socket.IO), `hub_socket` (one that always comes back), `inbox` and
`outbox` (what makes events arrive once, in order), `async_client` and `async_room`, and the same for code that does not
await: `sync_socket`, `sync` and `room`.
"""
