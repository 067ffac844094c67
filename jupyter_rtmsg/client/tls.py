"""Certificates to trust: those of the system, and a server's own, pinned."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Sequence
from pathlib import Path

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Pinned(ssl.SSLContext):
    """A context that trusts exactly one certificate.

    The key proves that it is the server, so the certificate need not name the host: that of a server on 127.0.0.1
    usually names another one.

    Attributes
    ----------
    certificate : bytes
        In DER.
    """

    certificate = b""

    @classmethod
    def of(cls, cafile: str) -> Pinned | None:
        """Return a context for the first certificate of a file, the server's own; None if the file cannot be used."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a certificate that no authority has signed
        try:
            found = _CERTIFICATE.search(Path(cafile).read_text("ascii", "replace"))
            context.certificate = ssl.PEM_cert_to_DER_cert(found[0]) if found else b""
            context.load_verify_locations(cadata=context.certificate)
        except (OSError, ValueError):
            return None  # the path may be of another machine, or the file half written
        return context


def contexts(given: ssl.SSLContext | None, cafile: str | None) -> Sequence[ssl.SSLContext]:
    """Return the contexts to try in this order.

    Parameters
    ----------
    given : ssl.SSLContext, optional
        The caller's context. If given, it is the only one.
    cafile : str, optional
        A file with the server's own certificate, or with that of an authority. The authorities of the system are tried
        too, since the file may be newer than the certificate that the server read when it started.

    Returns
    -------
    sequence of ssl.SSLContext
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
    """Check that a server showed the pinned certificate: OpenSSL also accepts one that was signed with its key.

    Raises
    ------
    ssl.SSLCertVerificationError
        If it showed another one. The transport is closed.
    """
    if isinstance(context, Pinned):
        shown = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if shown != context.certificate:
            transport.close()
            raise ssl.SSLCertVerificationError("it is not the certificate of the file")
