"""Which certificates are trusted."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Sequence
from pathlib import Path

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Pinned(ssl.SSLContext):
    """A context that trusts one certificate: a server which holds the key of that, and no other.

    Whoever has that key is the server, so the host need not be one of the certificate's names: the certificate of a
    server on 127.0.0.1 has another one, as a rule.

    Attributes
    ----------
    certificate : bytes
        In DER.
    """

    certificate = b""

    @classmethod
    def of(cls, cafile: str) -> Pinned | None:
        """Make one for the first certificate of a file, which is the server's own; None where there is none."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate need not be an authority's
        try:
            found = _CERTIFICATE.search(Path(cafile).read_text("ascii", "replace"))
            context.certificate = ssl.PEM_cert_to_DER_cert(found[0]) if found else b""
            context.load_verify_locations(cadata=context.certificate)
        except (OSError, ValueError):
            return None  # a file of another machine, perhaps, or one that is just being written
        return context


def contexts(given: ssl.SSLContext | None, cafile: str | None) -> Sequence[ssl.SSLContext]:
    """Return the contexts to try, one after the other.

    Parameters
    ----------
    given : ssl.SSLContext, optional
        The caller's: then there is no other.
    cafile : str, optional
        A file with the server's own certificate, or with that of an authority. The authorities of the system come
        behind it: the file may hold a newer certificate than the server, which read it when it started.
    """
    if given:
        return [given]
    authorities = ssl.create_default_context()
    if cafile:
        with contextlib.suppress(OSError):
            authorities.load_verify_locations(cafile)
    pinned = Pinned.of(cafile) if cafile else None
    return [pinned, authorities] if pinned else [authorities]


def check_certificate(context: ssl.SSLContext | None, transport: asyncio.BaseTransport) -> None:
    """Check that it is the one that is trusted: OpenSSL also takes one that was signed with its key."""
    if isinstance(context, Pinned):
        shown = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if shown != context.certificate:
            transport.close()
            raise ssl.SSLCertVerificationError("it is another one than that of the file")
