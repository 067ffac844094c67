"""The wire, sans I/O: WebSocket frames, Engine.IO v4 and Socket.IO v5.

Nothing in here opens a socket, reads a clock or logs. Server and client use the same code.
"""
