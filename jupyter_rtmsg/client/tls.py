"""Which certificates are trusted."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from pathlib import Path

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def contexts(given: ssl.SSLContext | None, cafile: str | None) -> Sequence[ssl.SSLContext]:
    """Return the contexts to try, one after the other.

    Parameters
    ----------
    given : ssl.SSLContext, optional
        The caller's: then there is no other.
    cafile : str, optional
        A file with the server's own certificate. The authorities of the system come behind it: the file may hold a
        newer certificate than the server, which read it when it started.
    """
    if given:
        return [given]
    pinned = _pinned(cafile) if cafile else None
    system = ssl.create_default_context()
    return [pinned, system] if pinned else [system]


def _pinned(cafile: str) -> ssl.SSLContext | None:
    """Return a context that trusts a server which holds the key of the first certificate of a file, and no other.

    Whoever has that key is the server, so the host need not be one of the certificate's names: the certificate of a
    server on 127.0.0.1 has another one, as a rule.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate need not be an authority's
    try:
        found = _CERTIFICATE.search(Path(cafile).read_text("ascii", "replace"))
        context.load_verify_locations(cadata=ssl.PEM_cert_to_DER_cert(found[0]) if found else b"")
    except (OSError, ValueError):
        return None  # a file of another machine, perhaps, or one that is just being written
    return context
