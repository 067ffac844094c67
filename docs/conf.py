"""The docs site: ``make docs`` builds it into docs/_build/html, and treats every warning as an error."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "jupyter_rtmsg"
copyright = "the jupyter_rtmsg contributors"
version = release = installed_version("jupyter_rtmsg")

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    # in _ext/
    "executed_notebooks",
    "public_names",
    "repository_links",
]
exclude_patterns = ["_build", "_ext"]
nitpicky = True
nitpick_ignore = [("py:class", "jupyter_rtmsg.errors.base.OneLine")]  # how errors are shown; not of interest to users

# Markdown. GitHub shows the same files, so only what both read is used.
myst_heading_anchors = 4

# Notebooks are executed beforehand, side by side and in one server: _ext/executed_notebooks.py.
nb_execution_mode = "off"

default_role = "py:obj"
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # numpydoc's Parameters have the types
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = "jupyter_rtmsg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_copy_source = False
html_show_sourcelink = False
