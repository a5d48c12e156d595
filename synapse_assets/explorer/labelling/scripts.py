"""The scripts of the labelling pages: which page has which, each by file and hash. Every other page of the explorer has none."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_STATIC = Path(__file__).parent.parent / "static"
SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "labelling_login.html": ("labelling.js",),
    "labelling.html": ("labelling.js",),
    "labelling_agreement.html": ("labelling.js",),
    "labelling_batch.html": ("labelling.js", "labelling_tiles.js"),
    "labelling_boxes.html": ("labelling.js",),
    "labelling_box.html": ("labelling.js", "labelling_boxes.js"),
}
"""The pages with scripts, by template, and the files below /look that each of them loads."""


@cache
def integrity(script: str) -> str:
    """Hash of a script as `integrity` and a policy name it: `sha256-...`."""
    return "sha256-" + base64.b64encode(hashlib.sha256((_STATIC / script).read_bytes()).digest()).decode()


def policy(template: str) -> str:
    """The Content-Security-Policy of one of these pages: the scripts it names, and requests to this server."""
    hashes = " ".join(f"'{integrity(script)}'" for script in SCRIPTS[template])
    return (
        f"default-src 'none'; script-src {hashes}; connect-src 'self'; img-src 'self'; style-src 'self' 'unsafe-inline'; "
        "frame-ancestors 'self'; form-action 'self'; base-uri 'none'"
    )
