"""Check the built site: every link to a page or an anchor of it leads somewhere, and so does every picture.

``check_links.py FOLDER`` prints what leads nowhere, and exits with status 1 if there is any.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The ids and the targets of a page.

    Attributes
    ----------
    ids : set of str
        What an anchor may lead to.
    targets : list of str
        What its links, pictures, scripts and styles refer to.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Collect what a tag is called and what it refers to."""
        values = dict(attributes)
        self.ids.update(value for key in ("id", "name") if (value := values.get(key)))
        self.targets += [value for key in ("href", "src") if (value := values.get(key))]


def broken(folder: Path) -> list[str]:
    """Return a line for each link that leads nowhere, as ``page: target``."""
    pages = {path: Page(path) for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts}
    found = []
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            reached = pages.get(to)
            anchor = unquote(parts.fragment)
            # Search results are made by a script, and "#" alone is the top of a page.
            if not to.exists() or (anchor and reached is not None and anchor not in reached.ids):
                found.append(f"{path.relative_to(folder)}: {target}")
    return found


def main() -> int:
    """Check the folder that the command line names."""
    folder = Path(sys.argv[1]).resolve()
    lines = broken(folder)
    for line in lines:
        print(line)
    print(f"{len(lines)} links lead nowhere" if lines else "every internal link leads somewhere")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
