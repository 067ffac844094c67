"""The wire, sans I/O: WebSocket frames, Engine.IO v4 and Socket.IO v5.

This package opens no socket, reads no clock and logs nothing. Server and client use the same code.
"""
