"""The certificates that are trusted: those of the system, and the one in the file that a server names."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from support import programs
from support.certificate import make_certificate
from support.tls import connects, serving

from jupyter_rtmsg.client.tls import contexts
from jupyter_rtmsg.errors import ServerUnreachable

pytestmark = pytest.mark.needs_openssl


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for another host."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem", "notebook.example.org")


def openssl(*arguments: str, into: Path) -> None:
    program = programs.find("openssl")
    assert program
    with into.open("ab") as file:
        subprocess.run([program, *arguments], check=True, stdout=file, stderr=subprocess.DEVNULL)


def issue(directory: Path, authority: Path, name: str) -> Path:
    """Return a PEM file with a key, its certificate, and that of the authority which signed it."""
    request, path = directory / f"{name}.csr", directory / f"{name}.pem"
    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}")
    openssl(*new, "-keyout", str(path), into=request)
    sign = ("x509", "-req", "-in", str(request), "-CA", str(authority), "-CAkey", str(authority), "-days", "2")
    extension = directory / "extension"
    extension.write_text(f"subjectAltName=DNS:{name}\nauthorityKeyIdentifier=keyid\n")
    openssl(*sign, "-set_serial", str(len(name)), "-extfile", str(extension), into=path)
    certificate = b"-----BEGIN CERT" + authority.read_bytes().partition(b"-----BEGIN CERT")[2]
    path.write_bytes(path.read_bytes() + certificate)
    return path


async def test_the_certificate_of_the_file_is_trusted_whatever_host_it_names(elsewhere: Path) -> None:
    async with serving(elsewhere) as url:
        assert await connects(url, elsewhere)
        for cafile in (None, Path("/nowhere.pem"), Path(__file__)):
            with pytest.raises(ServerUnreachable, match=r"not trusted: self.signed certificate.*name the file"):
                await connects(url, cafile)


async def test_another_certificate_is_not_trusted(elsewhere: Path, certificate: Path) -> None:
    async with serving(certificate) as url:
        with pytest.raises(ServerUnreachable, match="not trusted"):
            await connects(url, elsewhere)


async def test_no_other_certificate_of_the_same_authority_is_trusted(tmp_path: Path) -> None:
    """The authority may be a public one, from which anybody gets certificates."""
    authority = make_certificate(tmp_path / "authority.pem", "authority.example.org")
    mine, other = (issue(tmp_path, authority, name) for name in ("mine.example.org", "other"))
    async with serving(mine) as url:
        assert await connects(url, mine)
    async with serving(other) as url:
        with pytest.raises(ServerUnreachable, match="not trusted"):
            await connects(url, mine)


async def test_a_file_may_name_an_authority_whose_certificates_are_good_for_their_hosts(tmp_path: Path) -> None:
    authority = make_certificate(tmp_path / "authority.pem", "authority.example.org")
    here = issue(tmp_path, authority, "localhost")
    elsewhere = issue(tmp_path, authority, "elsewhere.example.org")
    async with serving(here) as url:
        assert await connects(url.replace("127.0.0.1", "localhost"), authority)
    async with serving(elsewhere) as url:
        with pytest.raises(ServerUnreachable, match="not trusted: Hostname mismatch"):
            await connects(url.replace("127.0.0.1", "localhost"), authority)


async def test_a_context_that_is_given_is_the_only_one(elsewhere: Path, certificate: Path) -> None:
    given = ssl.create_default_context(cafile=str(certificate))
    assert contexts(given, str(elsewhere)) == [given]
    async with serving(certificate) as url:
        assert await connects(url, elsewhere, given)


async def test_the_systems_authorities_are_tried_after_the_file(
    elsewhere: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file may contain a newer certificate than the server uses."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with serving(certificate) as url:
        assert await connects(url, elsewhere)
