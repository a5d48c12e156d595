"""The directive `generated`: parts of pages that are made from the code while the pages are built.

    ```{generated} settings
    ```

Each is a function that gives Markdown. A page that has one is read again at every build, as nobody knows what its code imports.
"""

from collections.abc import Callable

import asset_reference
import command_reference
import dataset_reference
import error_reference
import setting_reference
import table_reference
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PARTS: dict[str, Callable[[], str]] = {
    "assets": asset_reference.markdown,
    "commands": command_reference.markdown,
    "dataset fields": dataset_reference.markdown,
    "error classes": error_reference.classes,
    "messages": error_reference.messages,
    "settings": setting_reference.markdown,
    "tables": table_reference.markdown,
}


class Generated(SphinxDirective):
    """Puts one of `PARTS` in its place, headings included."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """The nodes of the part. An unknown name is an error of the page."""
        self.env.note_reread()
        part = PARTS.get(self.arguments[0])
        if part is None:
            raise self.error(f"nothing is generated under the name {self.arguments[0]!r}: there are {sorted(PARTS)}")
        return self.parse_text_to_nodes(part(), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive."""
    app.add_directive("generated", Generated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
