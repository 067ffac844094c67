"""A certificate for servers of the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import programs


def make_certificate(path: Path, name: str = "") -> Path:
    """Write a PEM file with a certificate, signed by itself, and its key.

    It is for ``localhost`` and 127.0.0.1, or for another name.
    """
    program = programs.find("openssl")
    assert program, "tests with certificates need the marker needs_openssl"
    names = f"DNS:{name}" if name else "DNS:localhost,IP:127.0.0.1"
    command = [
        program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", f"/CN={name or 'localhost'}", "-addext", f"subjectAltName={names}", "-keyout", "-", "-out", "-",
        "-addext", "keyUsage=critical,digitalSignature,keyCertSign",
    ]  # fmt: skip
    path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    return path
