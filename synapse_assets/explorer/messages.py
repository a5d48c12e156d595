"""Error messages for pages: a sentence, without paths on this machine and without the messages of libraries."""

import logging
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from synapse_assets.errors import BadInput

_LOG = logging.getLogger(__name__)
# Possible absolute paths: they begin with a slash that is not preceded by part of a name or address.
_PATH = re.compile(r"(?<![\w.:/~%-])/([^\s/'\"<>|:;,()]+)(?:/[^\s/'\"<>|:;,()]+)*")


class ErrorMessages:
    """Turns an error into a sentence for a page. roots: folders and addresses that are not shown."""

    def __init__(self, roots: Iterable[str] = ()) -> None:
        resolved = {root.rstrip("/") if "://" in root else str(Path(root).resolve()) for root in roots} - {"/"}
        # A name that only begins like a root is a different folder.
        pattern = "|".join(re.escape(root) for root in sorted(resolved, key=len, reverse=True))
        self._roots = re.compile(rf"(?:{pattern})(?![\w-]|\.\w)") if pattern else None

    def __call__(self, error: Exception, what: str) -> str:
        """A sentence for the page: the message of a BadInput; for any other error a reference to the log. `what`: the request."""
        if isinstance(error, BadInput):
            if error.__cause__ is not None:
                _LOG.warning("%s: %s", what, error, exc_info=error.__cause__)
            return self.without_paths(str(error))
        reference = secrets.token_hex(4)
        _LOG.error("%s could not be shown (%s)", what, reference, exc_info=error)
        return f"this could not be shown, because something failed here that should not; the server's log says what at {reference}"

    def without_paths(self, text: str) -> str:
        """The text with the roots replaced by a placeholder, and every other path on this machine by its last part."""
        text = text if self._roots is None else self._roots.sub("<data root>", text)
        return _PATH.sub(_last_part, text)


def _last_part(match: re.Match[str]) -> str:
    # Ids and asset names may look like paths; a real path begins at a folder of this machine.
    return f"…/{match[0].rpartition('/')[2]}" if os.path.isdir(f"/{match[1]}") else match[0]
