"""The sources of the docs site: what `make docs` would find only after minutes."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PUBLIC = ("jupyter_rtmsg", "jupyter_rtmsg.hub", "jupyter_rtmsg.log", "jupyter_rtmsg.server", "jupyter_rtmsg.widgets")
GENERATED = {DOCS / "notebooks" / f"{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}
ELSEWHERE = {"jupyter_rtmsg.NotDurable", "jupyter_rtmsg.RtmsgError"}  # on the page of errors
ELSEWHERE |= {"jupyter_rtmsg.server.LATER", "jupyter_rtmsg.server.NOT_ROUTED"}  # constants


def extension(name: str) -> ModuleType:
    """Return a module of docs/_ext."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages() -> list[Path]:
    return [page for page in DOCS.rglob("*.md") if not {"_build", "notebooks"} & set(page.relative_to(DOCS).parts)]


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_is_in_the_api_reference(package: str) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    names = {f"{package}.{name}" for name in importlib.import_module(package).__all__}
    if f".. automodule:: {package}\n" not in text:  # which has all of them
        assert names - set(re.findall(r"^\.\. auto\w+:: ([\w.]+)$", text, re.MULTILINE)) - ELSEWHERE == set()


def test_every_page_is_in_one_toctree() -> None:
    listed = [entry for page in pages() for entry in toctree(page)]
    assert len(listed) == len(set(listed))
    assert set(listed) - GENERATED == set(pages()) - {DOCS / "index.md"}


def toctree(page: Path) -> Iterator[Path]:
    """Give the pages that a page's toctrees list."""
    blocks = re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for entry in (line for block in blocks for line in block.splitlines() if line and not line.startswith(":")):
        yield from sorted(page.parent.glob(f"{entry}.md")) or [page.parent / f"{entry}.md"]


def test_links_out_of_the_docs_lead_to_their_pages() -> None:
    links = extension("repository_links")
    for source, page in links.PAGES.items():
        assert (ROOT / source).exists(), source
        assert page.startswith("notebooks/") or (DOCS / page).exists(), page
    assert links.translate("security", "[a](../SECURITY.md)") == "[a](vulnerabilities.md)"
    assert (
        links.translate("decisions/0001-a", "[a](../../README.md#b) [c](../wire.md)")
        == "[a](../index.md#b) [c](../wire.md)"
    )


def test_files_of_the_root_are_pages() -> None:
    links = extension("repository_links")
    assert {page: f"{page}.md" for page in links.SHOWN} == {
        page: links.PAGES[file] for page, file in links.SHOWN.items()
    }
    text = "[a](docs/security.md#b) [c](SECURITY.md) [d](https://e.org/docs/f) [g](#h)"
    shown = "[a](security.md#b) [c](vulnerabilities.md) [d](https://e.org/docs/f) [g](#h)"
    assert links.translate_from_root(text) == shown


def test_anchors_and_reasons_are_translated() -> None:
    translate = extension("repository_links").translate
    assert translate("protocol", '<a id="a-b"></a>\n## A\n') == "(a-b)=\n## A\n"
    assert translate("wire", "<!-- not run: no peer -->\n") == "*Not run by the tests of this page: no peer.*\n\n"
