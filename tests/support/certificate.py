"""A certificate for servers of the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import programs


def make_certificate(path: Path) -> Path:
    """Write a PEM file with a certificate, for ``localhost`` and 127.0.0.1, signed by itself, and its key."""
    program = programs.find("openssl")
    assert program, "tests with certificates need the marker needs_openssl"
    command = [
        program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "-", "-out", "-",
    ]  # fmt: skip
    path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    return path
