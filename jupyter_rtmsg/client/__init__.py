"""The client for kernels and scripts: plain Socket.IO beneath, rooms with a memory on top.

Told from below: `transport` (HTTP upgrade, WebSocket), `session` (Engine.IO), `socket` (Socket.IO, reconnects),
`inbox` and `outbox` (what makes events arrive once, in order), `async_client` and `async_room`, and the same for
code that does not await: `sync` and `room`.
"""
