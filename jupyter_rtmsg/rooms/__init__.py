"""Rooms with a memory, on the client's side: the counterpart of `jupyter_rtmsg.hub`.

From the bottom up: `commands` asks the hub, `inbox` and `outbox` make events arrive once and in order, `membership` is
one client in one room, `connection` is the layer above a Socket.IO socket that restores all of it after a reconnect,
and `async_client` and `async_room` are what users call. `sync` has the same for code that does not await.
"""
