"""The proof of a kernel (docs/wire.md, "Proof of a kernel"): what client and server compute alike."""

from __future__ import annotations

import hashlib
import hmac


def kernel_proof(key: bytes, address: str, socket_id: str) -> str:
    """Return what shows to a server that holds the key, too, that a connection is a kernel's.

    It covers the address that the kernel has connected to: another hub that a kernel connects to, and that hands the id
    of a connection of its own on to the kernel, gets a proof that is good for nobody.

    Parameters
    ----------
    key : bytes
        Of the kernel's connection file, or the one that a kernel behind a gateway was given.
    address : str
        The base URL of the server, as the client has asked for it.
    socket_id : str
        Of this Socket.IO connection.
    """
    return _hmac(key, f"rtmsg 2\n{address}\n{socket_id}")


def kernel_proof_1(key: bytes, socket_id: str) -> str:
    """Return the proof of version 0.1.0, for its command ``prove``: it covers no address."""
    return _hmac(key, f"rtmsg:{socket_id}")


def _hmac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
