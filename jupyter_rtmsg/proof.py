"""The proof of a kernel, which client and server both compute (docs/wire.md, "Proof of a kernel")."""

from __future__ import annotations

import hashlib
import hmac


def kernel_proof(key: bytes, address: str, socket_id: str) -> str:
    """Return the proof that a connection belongs to a kernel, for a server that has the kernel's key.

    The proof covers the address to which the kernel connected. So a hostile hub cannot have a kernel sign the id of a
    connection that it made itself to the kernel's own server: that proof has the wrong address.

    Parameters
    ----------
    key : bytes
        The key of the kernel's connection file; behind a gateway, the key that the kernel was given.
    address : str
        The base URL of the server, as the client requested it.
    socket_id : str
        The id of this Socket.IO connection.
    """
    return _hmac(key, f"rtmsg 2\n{address}\n{socket_id}")


def kernel_proof_1(key: bytes, socket_id: str) -> str:
    """Return the proof of version 0.1.0, for its command ``prove``: it covers no address."""
    return _hmac(key, f"rtmsg:{socket_id}")


def _hmac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
