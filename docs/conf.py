"""How the documentation is built: `make docs`, offline, and a warning is an error."""

import sys
from pathlib import Path

from synapse_assets import __version__

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "synapse_assets"
author = "the synapse_assets authors"
copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "mathml", "docstrings", "generated"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = []

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
add_module_names = False
python_maximum_signature_line_length = 100
# In docstrings `x` is code.
default_role = "literal"
# Quotes stay as they are typed: commands are pasted.
smartquotes = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["find_message.js"]
html_title = "synapse_assets"
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
