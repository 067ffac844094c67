"""Sphinx extension: read the Markdown of the repository as GitHub does.

Four things differ. ``<a id="name"></a>`` gives a rule an anchor of its own, which MyST writes as ``(name)=``. A link to
a file outside of this folder leads to the page that shows it. A page that stands for such a file has its text. And the
comment in front of a block that no test runs, which says why, is shown.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "vulnerabilities.md",
    "notebooks/01-listen.ipynb": "notebooks/01-listen.ipynb",
    "notebooks/01-train.ipynb": "notebooks/01-train.ipynb",
    "notebooks/02-work-that-is-shared.ipynb": "notebooks/02-work-that-is-shared.ipynb",
    "notebooks/02-worker.ipynb": "notebooks/02-worker.ipynb",
}
"""Files outside of this folder, and the pages that show them."""
SHOWN = {"changes": "CHANGELOG.md", "contributing": "CONTRIBUTING.md", "vulnerabilities": "SECURITY.md"}
"""Pages with the text of such a file; on GitHub they only link to it."""

_ANCHOR = re.compile(r'^<a id="([\w-]+)"></a>$', re.MULTILINE)
_NOT_RUN = re.compile(r"^<!-- not run: (.+) -->$", re.MULTILINE)
_UP = re.compile(r"\]\(((?:\.\./)+)([^)#\s]+)")
_FROM_ROOT = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


def translate(page: str, text: str) -> str:
    """Return the Markdown of a page as MyST reads it.

    Parameters
    ----------
    page : str
        The page's name without its suffix, such as ``decisions/0002-sqlite``.
    text : str
        The Markdown as it is in the repository.
    """
    depth = page.count("/")

    def link(match: re.Match[str]) -> str:
        up, target = match.groups()
        if up.count("../") <= depth or target not in PAGES:
            return match[0]
        return "](" + "../" * depth + PAGES[target]

    text = _NOT_RUN.sub(r"*Not run by the tests of this page: \1.*\n", text)
    return _UP.sub(link, _ANCHOR.sub(r"(\1)=", text))


def translate_from_root(text: str) -> str:
    """Return the Markdown of a file in the repository's root as a page of this folder."""
    return _FROM_ROOT.sub(lambda match: "](" + PAGES.get(match[1], match[1].removeprefix("docs/")), text)


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    if page in SHOWN:
        source[0] = translate_from_root((ROOT / SHOWN[page]).read_text(encoding="utf-8"))
    source[0] = translate(page, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
