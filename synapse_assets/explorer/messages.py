"""What a page says of what went wrong: the sentence, without where on this machine things lie, or what a library has said."""

import logging
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from synapse_assets.errors import BadInput

_LOG = logging.getLogger(__name__)
# What may be an absolute path: it begins with a slash that nothing of a name or an address stands before.
_PATH = re.compile(r"(?<![\w.:/~%-])/([^\s/'\"<>|:;,()]+)(?:/[^\s/'\"<>|:;,()]+)*")


class ErrorMessages:
    """Tells people in their browsers what went wrong. roots: folders and addresses that stay unnamed."""

    def __init__(self, roots: Iterable[str] = ()) -> None:
        resolved = {root.rstrip("/") if "://" in root else str(Path(root).resolve()) for root in roots} - {"/"}
        # A name that only begins like a root is another one.
        pattern = "|".join(re.escape(root) for root in sorted(resolved, key=len, reverse=True))
        self._roots = re.compile(rf"(?:{pattern})(?![\w-]|\.\w)") if pattern else None

    def __call__(self, error: Exception, what: str) -> str:
        """A sentence for the page: that of a BadInput; of anything else only that it is in the log. `what`: was asked for."""
        if isinstance(error, BadInput):
            if error.__cause__ is not None:
                _LOG.warning("%s: %s", what, error, exc_info=error.__cause__)
            return self.without_paths(str(error))
        reference = secrets.token_hex(4)
        _LOG.error("%s could not be shown (%s)", what, reference, exc_info=error)
        return f"this could not be shown, because something failed here that should not; the server's log says what at {reference}"

    def without_paths(self, text: str) -> str:
        """The text with the roots called so, and of every other path on this machine only its last part."""
        text = text if self._roots is None else self._roots.sub("<data root>", text)
        return _PATH.sub(_last_part, text)


def _last_part(match: re.Match[str]) -> str:
    # Ids and names of assets may look like paths; a path begins at a folder of this machine.
    return f"…/{match[0].rpartition('/')[2]}" if os.path.isdir(f"/{match[1]}") else match[0]
