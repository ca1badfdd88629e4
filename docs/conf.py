"""Sphinx configuration."""

import re
from importlib.metadata import version as version_of

project = "jacchain"
author = "The jacchain authors"
copyright = "The jacchain authors, MIT licence"
release = version = version_of("jacchain")
language = "en_GB"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings state types and shapes
napoleon_google_docstring = False
napoleon_use_param = False  # so that parameters described together stay together
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"jacchain {release}"


def _escape_bars(_app, _what, _name, _object, _options, lines):
    """Keep |x| in a docstring from being read as a substitution."""
    lines[:] = [re.sub(r"\|([^|`]+)\|", r"\\|\1\\|", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", _escape_bars, priority=900)
