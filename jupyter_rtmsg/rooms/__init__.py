"""Rooms with a memory, on the client's side: the counterpart of `jupyter_rtmsg.hub`.

From the bottom up: `hub_socket` is a Socket.IO socket that always reconnects, `commands` asks the hub, `inbox` and
`outbox` make events arrive once and in order, `membership` keeps a client in a room, and `async_client` and
`async_room` are what users call. `sync` and `room` are the same for code that does not await.
"""
