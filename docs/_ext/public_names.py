"""Sphinx extension: docstrings link to a documented object by the name that users have for it.

A class is defined in a private module (``jupyter_rtmsg.client.sync``) and documented under its public name
(``jupyter_rtmsg.Client``). In docstrings, single backticks hold a name or a piece of code: a name that is documented
becomes a link, all else is shown as code.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement) -> nodes.Node | None:
    """Return a link to the one object whose name ends like the target, or the target as code."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"].removeprefix("~").removesuffix("()")
    objects = env.domains.python_domain.objects
    found = [name for name in objects if name == target or name.endswith("." + target)]
    if len(found) == 1:
        entry = objects[found[0]]
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, shown, found[0])
    is_private = target.rpartition(".")[2].startswith("_")
    return nodes.literal(shown.astext(), shown.astext()) if node["reftype"] == "obj" or is_private else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension."""
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
